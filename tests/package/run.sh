#!/usr/bin/env bash
# Installs the built library into an empty prefix and builds an outside project against it.
set -euo pipefail
build=$1 compiler=$2 flags=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
cmake -S "$here" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" >"$work/configure.log"
cmake --build "$work/build"
"$work/build/package_test" "$work/store"
"$work/build/package_crashes"

# The command line, its manual and its completions are installed, and work from there.
"$work/prefix/bin/selvedge" verify "$work/store" | grep -q "The store is sound."
for file in man/man1/selvedge.1 bash-completion/completions/selvedge zsh/site-functions/_selvedge \
  fish/vendor_completions.d/selvedge.fish; do
  grep -q selvedge "$work/prefix/share/$file"
done
