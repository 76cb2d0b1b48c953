#!/bin/sh
# Debian packages for the tests that use real peers: GStreamer's RTSP server (TLS: glib-networking), PostgreSQL, a browser. Needs root; does nothing when all are there.
set -eu
wanted="gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gir1.2-gst-plugins-base-1.0 glib-networking postgresql chromium"
missing=""
for package in $wanted; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
  echo "Not root: skipping the packages$missing; the tests that need them say so." >&2
  exit 0
fi
apt-get update -q
# shellcheck disable=SC2086 # a list of names
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
