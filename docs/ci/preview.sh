#!/bin/sh
# Checks the templates of a pull request, and shows what they change. Usage: preview.sh SITE BASE, such as `preview.sh site origin/main`.
# On GitHub, errors are shown beside their lines. The exit code is 1 if there are errors.
set -eu
site=$1 base=$2
format=human
[ -z "${GITHUB_ACTIONS:-}" ] || format=github
before=$(mktemp -d)
trap 'git worktree remove --force "$before"' EXIT
git worktree add --quiet --detach "$before" "$base"
hotplate check "$site" --format "$format"
hotplate preview "$site" --against "$before/$site" --format "$format"
