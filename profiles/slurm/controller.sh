#!/usr/bin/env bash
# Snakemake itself as a job, where login nodes are not for long runs:
#   sbatch profiles/slurm/controller.sh [arguments of snakemake]
#   PROFILE=profiles/mine sbatch --account=... --partition=... profiles/slurm/controller.sh
# scancel and the walltime send TERM, at which Snakemake would wait for its jobs until SLURM kills it, and leave
# them behind. INT makes it cancel them; all of them go on where they were when this script is submitted again.
#SBATCH --job-name=ionsieve
#SBATCH --mem=2000
#SBATCH --time=7-00:00:00
#SBATCH --signal=B:TERM@120
set -m # or the shell would have INT ignored in what it starts
snakemake --profile "${PROFILE:-profiles/slurm}" --nolock "$@" &
controller=$!
trap 'kill -INT $controller' TERM
wait $controller
wait $controller
