#!/usr/bin/env bash
# Copyright (c) rpstn_mmpose contributors. All rights reserved.
# Makes a virtual environment with the tested stack: tools/setup_env.sh VENV
# Run again, it returns at once unless the requirements have changed.
# PYTHON_BASE and TORCH_BACKEND: see the Makefile.
set -euo pipefail

UV_VERSION=0.13.8
NEEDED_GB=12

fail() {
    echo "setup: $*" >&2
    exit 1
}

# The pinned sets hold for these versions of Python.
find_python() {
    local candidate
    for candidate in ${PYTHON_BASE:-python3.11 python3.12 python3.13 python3}
    do
        if "$candidate" -c 'import sys; sys.exit(
                not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
                >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed for the pinned set, found" \
        "$("${PYTHON_BASE:-python3}" --version 2>&1 || true);" \
        "give one with PYTHON_BASE=/path/to/python3.11, or see" \
        "\"Other stacks\" in README.md"
}

check_machine() {
    local missing=() free_gb
    command -v g++ >/dev/null || command -v c++ >/dev/null ||
        missing+=(g++)
    "$python" -c 'import os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not os.path.exists(header))' || missing+=(python3-dev)
    if [ -z "$system_uv" ]; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            missing+=(python3-venv)
    fi
    [ ${#missing[@]} -eq 0 ] ||
        fail "missing on this machine: ${missing[*]}; on Debian and Ubuntu:" \
            "sudo apt-get install ${missing[*]}"
    [ -e "$venv/bin/python" ] && return
    free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
    [ "$free_gb" -ge "$NEEDED_GB" ] ||
        fail "$free_gb GB free in $PWD, about $NEEDED_GB GB are needed"
}

make_venv() {
    if [ -n "$system_uv" ]; then
        uv=$system_uv
        [ -e "$venv/bin/python" ] ||
            "$uv" venv --quiet --clear --python "$python" "$venv"
    else
        uv=$venv/bin/uv
        [ -e "$venv/bin/python" ] ||
            "$python" -m venv --clear "$venv"
        [ -x "$uv" ] ||
            "$venv/bin/python" -m pip install --quiet "uv==$UV_VERSION" ||
            fail "pip could not install uv: is the network there?"
    fi
}

# mmcv builds its CUDA operators when it sees a GPU, and fails without a
# compiler for the CUDA version of torch. Without one, hide the GPU: MMPose
# needs no CUDA operator of mmcv, and without one mmdet's NMS runs on the CPU.
choose_operators() {
    local torch_cuda nvcc_cuda
    torch_cuda=$("$venv/bin/python" -c 'import torch
print((torch.version.cuda or "none").split(".")[0]
      if torch.cuda.is_available() else "none")')
    nvcc_cuda=$("${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" --version \
        2>/dev/null | sed -n 's/.*release \([0-9]*\)\..*/\1/p' || true)
    if [ "$torch_cuda" = "$nvcc_cuda" ]; then
        operators=cuda
    else
        operators=cpu
        export CUDA_VISIBLE_DEVICES='' FORCE_CUDA=0
        [ "$torch_cuda" = none ] ||
            echo "setup: no nvcc of CUDA $torch_cuda, mmcv gets CPU operators"
    fi
}

# A wheel of mmcv fits one build of torch: they are kept apart by its version.
build_mmcv() {
    local mmcv torch tag flags
    mmcv=$(sed -n 's/^mmcv==//p' requirements/runtime.txt)
    torch=$("$venv/bin/python" -c 'import torch; print(torch.__version__)')
    wheels=${XDG_CACHE_HOME:-$HOME/.cache}/rpstn_mmpose
    tag=$("$venv/bin/python" -c 'import sys
print("cp%d%d" % sys.version_info[:2])')
    wheels=$wheels/mmcv-$mmcv-$tag-torch-$torch-$operators
    if compgen -G "$wheels/mmcv-*.whl" >/dev/null; then
        echo "setup: 2/4 mmcv $mmcv, built before: $wheels"
        return
    fi
    echo "setup: 2/4 building mmcv $mmcv, some minutes, kept in $wheels"
    rm -rf "$wheels.part"
    # Python's own flags, which CFLAGS replaces, ask for debug information,
    # which takes longer than the optimisation; the last flag counts.
    flags=$("$venv/bin/python" -c 'import os, sysconfig
print(os.environ.get("CFLAGS", sysconfig.get_config_var("CFLAGS")))')
    flags="$flags -g0"
    precompile_torch
    MAX_JOBS=${MAX_JOBS:-$(nproc)} CFLAGS=$flags \
        PYTHONPATH=$build "$venv/bin/python" -m pip wheel --quiet \
        --no-build-isolation --no-deps --no-binary mmcv --no-cache-dir \
        --wheel-dir "$wheels.part" "mmcv==$mmcv" ||
        fail "mmcv could not be built, see above"
    rm -rf "$wheels"
    mv "$wheels.part" "$wheels"
}

# Two thirds of the time of a file are torch's header, which each includes
# first. GCC reads it ready-made if the flags are the same, else as it is.
precompile_torch() {
    local includes
    "${CXX:-c++}" --version | grep -q 'Free Software' || return 0
    # Flags are separated by spaces.
    [[ $build != *' '* ]] || return 0
    includes=$("$venv/bin/python" -c 'from torch.utils import cpp_extension
print(*("-I" + path for path in cpp_extension.include_paths()))' 2>/dev/null)
    echo '#include <torch/types.h>' >"$build/torch_types.h"
    # shellcheck disable=SC2086
    if "${CXX:-c++}" $flags -fPIC -std=c++17 $includes -w -x c++-header \
            "$build/torch_types.h" -o "$build/torch_types.h.gch"; then
        flags="$flags -include $build/torch_types.h"
    fi
}

# The setup.py of mmcv and of xtcocotools read their versions by an exec() in a
# function, which leaves no names behind from Python 3.13 on.
keep_exec_in_functions() {
    cat <<'SHIM'
import builtins
import sys

if sys.version_info >= (3, 13):
    plain = builtins.exec

    def exec_here(code, *namespaces, **options):
        if not namespaces and 'globals' not in options:
            frame = sys._getframe(1)
            namespaces = frame.f_globals, frame.f_locals
        plain(code, *namespaces, **options)

    builtins.exec = exec_here
SHIM
}

install() {
    local backend=()
    [ -z "$torch_backend" ] || backend=(--torch-backend "$torch_backend")
    local pip_install=("$uv" pip install --python "$venv/bin/python"
        ${backend[@]+"${backend[@]}"})
    echo "setup: 1/4 torch and build tools"
    "${pip_install[@]}" -r requirements/build.txt
    choose_operators
    build=$(cd "$venv" && pwd)/build
    rm -rf "$build"
    mkdir "$build"
    keep_exec_in_functions >"$build/sitecustomize.py"
    build_mmcv
    # It has wheels for numpy 1 and up to Python 3.11 alone.
    local from_source=()
    if "$venv/bin/python" -c 'import sys
sys.exit(sys.version_info < (3, 12))'; then
        from_source=(--no-binary xtcocotools
            --no-build-isolation-package xtcocotools)
    fi
    echo "setup: 3/4 the rest"
    PYTHONPATH=$build "${pip_install[@]}" --find-links "$wheels" \
        -r requirements/build.txt \
        -r requirements/runtime.txt -r requirements/tests.txt \
        --overrides requirements/overrides.txt \
        ${from_source[@]+"${from_source[@]}"}
    rm -rf "$build"
    echo "setup: 4/4 rpstn_mmpose"
    "${pip_install[@]}" --no-deps --no-build-isolation --editable .
    "$venv/bin/python" -c 'import mmcv.ops, mmdet, mmpose, rpstn_mmpose'
}

cd "$(dirname "$0")/.."
venv=${1:-.venv}
if command -v flock >/dev/null; then
    exec 9>"$venv.lock"
    flock 9
fi

stamp=$venv/.setup-done
old_root='' old_backend='' old_digest=''
if [ -f "$stamp" ]; then
    { read -r old_root; read -r old_backend; read -r old_digest; } <"$stamp" ||
        true
fi
# A call without TORCH_BACKEND keeps what an earlier one chose.
torch_backend=${TORCH_BACKEND:-$old_backend}
digest=$({ cat requirements/*.txt setup.py MANIFEST.in tools/setup_env.sh \
    rpstn_mmpose/version.py; echo "$torch_backend"; } | cksum)
if [ "$old_root" = "$PWD" ] && [ "$old_digest" = "$digest" ]; then
    exit 0
fi

system_uv=$(command -v uv || true)
python=$(find_python)
if [ -n "$old_root" ] && [ "$old_root" != "$PWD" ]; then
    echo "setup: $venv was made in $old_root, making it anew"
    rm -rf "$venv"
fi
check_machine
make_venv
install
printf '%s\n' "$PWD" "$torch_backend" "$digest" >"$stamp"
echo "setup: done, $("$venv/bin/python" -c \
    'import rpstn_mmpose, torch; print(
        f"rpstn_mmpose {rpstn_mmpose.__version__}, torch {torch.__version__}")'
)"
