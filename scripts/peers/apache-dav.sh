#!/usr/bin/env bash
# Apache httpd 2.4 with mod_dav_fs, mod_dav_lock and mod_http2, from Debian, unpacked not installed. WebDAV at /dav/, no auth;
# HTTP/1.1, and HTTP/2 with prior knowledge.
. "$(dirname "$0")/_lib.sh"
ensure_debs apache-dav apache2-bin
M=$DEBD/usr/lib/apache2/modules
DATA=$RUN
# Started by root it serves as `daemon`, which must be able to reach its data folder.
if [ "$(id -u)" = 0 ]; then
  DATA=/tmp/tiebreak-$NAME-$PORT
  rm -rf "$DATA"; mkdir -p "$DATA"; chmod 755 "$DATA"
fi
mkdir -p "$DATA/dav" "$RUN/logs" "$DATA/lock"
cat >"$RUN/httpd.conf" <<CONF
ServerRoot $RUN
ServerName 127.0.0.1
Listen 127.0.0.1:$PORT
PidFile $RUN/httpd.pid
Mutex file:$DATA/lock default
ErrorLog $RUN/logs/error.log
LogLevel warn
LoadModule mpm_event_module $M/mod_mpm_event.so
LoadModule authz_core_module $M/mod_authz_core.so
LoadModule dir_module $M/mod_dir.so
LoadModule mime_module $M/mod_mime.so
LoadModule setenvif_module $M/mod_setenvif.so
LoadModule dav_module $M/mod_dav.so
LoadModule dav_fs_module $M/mod_dav_fs.so
LoadModule dav_lock_module $M/mod_dav_lock.so
LoadModule http2_module $M/mod_http2.so
Protocols h2c http/1.1
TypesConfig /dev/null
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
ServerLimit 1
DocumentRoot $DATA
$([ "$(id -u)" != 0 ] || printf 'User daemon\nGroup daemon\n')
DAVLockDB $DATA/lock/DAVLock
DavDepthInfinity on
<Directory $DATA/dav>
  Dav On
  FileETag MTime Size INode
  Require all granted
</Directory>
CONF
[ "$(id -u)" != 0 ] || chown -R daemon:daemon "$DATA/dav" "$DATA/lock"
start_bg env LD_LIBRARY_PATH="$DEBLIBS" "$DEBD/usr/sbin/apache2" -d "$RUN" -f "$RUN/httpd.conf" -DFOREGROUND
wait_http "http://127.0.0.1:$PORT/dav/" 30
finish
