#!/bin/sh
# A Label Studio of one's own beside this project, on loopback: label-studio.sh FOLDER PORT. The folder holds its database,
# the token and the password of its first user, made on first use. Not for production: run Label Studio as its makers say.
set -eu
folder=$1 port=$2
mkdir -p "$folder" && chmod 700 "$folder"
for name in token password secret; do
    [ -s "$folder/$name" ] || (umask 077 && od -An -N20 -tx1 /dev/urandom | tr -d ' \n' >"$folder/$name")
done
cat <<END
Label Studio  http://127.0.0.1:$port  (its first start takes a minute)
sign in as    feedback@example.org, password in $folder/password

This project exchanges with it when it is started with:
export FEEDBACK_LABEL_STUDIO_URL=http://127.0.0.1:$port
export FEEDBACK_LABEL_STUDIO_TOKEN=$(cat "$folder/token")
export FEEDBACK_LABEL_STUDIO_SECRET=$(cat "$folder/secret")
export FEEDBACK_LABEL_STUDIO_CALLBACK=http://127.0.0.1:${FEEDBACK_API_PORT:-8000}
END
# Webhooks to loopback are private addresses, which it would drop silently; nothing is told to its makers.
export LABEL_STUDIO_BASE_DATA_DIR="$folder" SSRF_PROTECTION_ENABLED=false
export COLLECT_ANALYTICS=False SENTRY_DSN= FRONTEND_SENTRY_DSN= LATEST_VERSION_CHECK=False
# Not in the arguments, which everybody on the machine can list.
export LABEL_STUDIO_USERNAME=feedback@example.org
LABEL_STUDIO_PASSWORD=$(cat "$folder/password") LABEL_STUDIO_USER_TOKEN=$(cat "$folder/token")
export LABEL_STUDIO_PASSWORD LABEL_STUDIO_USER_TOKEN
exec "$(dirname "$0")/../.label-studio/venv/bin/label-studio" start --no-browser -p "$port" --internal-host 127.0.0.1 \
    --enable-legacy-api-token
