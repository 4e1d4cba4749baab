#!/bin/bash
# embed.sh FILE...: prints a C++ source that holds each file as a string, page.css as page_css.
#
# So a page can have sources of its own, which an editor and a browser understand, and the program is
# still one file. The strings are declared in src/app/report/digit/files.h.
set -euo pipefail

echo '// Made by tools/embed.sh.'
echo '#include "app/report/digit/files.h"'
for file; do
    if grep -q ')embedded"' "$file"; then
        echo "embed.sh: $file holds )embedded\", which ends the string; write it otherwise" >&2
        exit 1
    fi
    name=$(basename "$file")
    printf '\nconst char* const %s = R"embedded(' "${name//./_}"
    cat "$file"
    echo ')embedded";'
done
