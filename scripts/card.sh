#!/usr/bin/env bash
# Makes the picture that links to the documentation are shown with, of its drawing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../internal/docsite"
chromium --headless --no-sandbox --window-size=1200,630 --hide-scrollbars --screenshot=assets/card.png card.svg
