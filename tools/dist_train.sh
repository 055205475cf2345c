#!/usr/bin/env bash
# Copyright (c) rpstn_mmpose contributors. All rights reserved.
# Train on several GPUs, and with NNODES, NODE_RANK, MASTER_ADDR and PORT set
# on several machines: tools/dist_train.sh CONFIG GPUS [options of train.py]
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [options of tools/train.py]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
config=$1
gpus=$2
shift 2
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$here/train.py" "$config" --launcher pytorch "$@"
