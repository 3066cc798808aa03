#!/bin/bash
# Exits with 0 when the server in this container says that it lives. Nothing but the shell is
# needed. Another port than the image's configuration has is given as HADAL_ADMIN_PORT.
exec 3<> "/dev/tcp/127.0.0.1/${HADAL_ADMIN_PORT:-8081}" || exit 1
printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
