"""nginx and HAProxy as plain proxies, configured for kept connections on both sides."""
import platform
import subprocess

from .server import free_port
from .workshop import ROOT, BenchError

NGINX = """
daemon off; worker_processes 2; pid {run}/nginx.pid; error_log {run}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
  uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
  upstream behind {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 100000000;
    location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 2
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port}
  default_backend behind
backend behind
  server upstream 127.0.0.1:{upstream}
"""


def install(workshop):
    """The folder with both programs."""
    if subprocess.run([ROOT / "bench" / "proxies.sh"], check=False).returncode != 0:
        raise BenchError("unpack nginx and HAProxy")
    return workshop.folder / "deb" / "proxies"


def start_both(workshop, upstream):
    root = install(workshop)
    libraries = f"{root}/usr/lib/{platform.machine()}-linux-gnu:{root}/lib/{platform.machine()}-linux-gnu"
    out = {}
    for name, text in (("nginx", NGINX), ("haproxy", HAPROXY)):
        run, port = workshop.path(name), free_port()
        run.mkdir()
        config = run / f"{name}.conf"
        config.write_text(text.format(run=run, port=port, upstream=upstream.port), encoding="utf-8")
        program = root / "usr" / "sbin" / name
        argv = {"nginx": [program, "-e", run / "error.log", "-p", run, "-c", config], "haproxy": [program, "-f", config]}
        out[name] = workshop.start(name, argv[name], port, env={"LD_LIBRARY_PATH": libraries})
    return out
