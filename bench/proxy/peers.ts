/**
 * Configurations of NGINX and HAProxy for the same two paths: a two-hop mTLS path and one plain hop.
 *
 * Fair means: one process each, connections kept alive on every hop, certificates checked on both sides,
 * the same P-256 leaves, no logs. Versions are those that Debian installs.
 */

export interface PathPorts {
  /** Where the load arrives. */
  readonly front: number
  /** Between the two hops. */
  readonly middle: number
  /** The application. */
  readonly app: number
}

export interface PemFiles {
  readonly roots: string
  readonly cert: string
  readonly key: string
  /** Certificate and key in one file. */
  readonly both: string
}

/** One configuration for each proxy process of the path, in order. */
export function haproxyTwoHops(ports: PathPorts, files: PemFiles, sni: string): readonly string[] {
  const tls = `ssl crt ${files.both} ca-file ${files.roots} verify required`
  const verify = `${tls} sni str(${sni})`
  return [
    haproxy(`frontend f\n  bind 127.0.0.1:${ports.front}\n  default_backend b
backend b\n  http-reuse always\n  server s 127.0.0.1:${ports.middle} ${verify}`),
    haproxy(`frontend f\n  bind 127.0.0.1:${ports.middle} ${tls}\n  default_backend b
backend b\n  http-reuse always\n  server s 127.0.0.1:${ports.app}`),
  ]
}

/** The same path in HTTP/2 all the way: with prior knowledge at its ends, by ALPN between. */
export function haproxyGrpc(ports: PathPorts, files: PemFiles, sni: string): readonly string[] {
  const tls = `ssl crt ${files.both} ca-file ${files.roots} verify required alpn h2`
  return [
    haproxy(`frontend f\n  bind 127.0.0.1:${ports.front} proto h2\n  default_backend b
backend b\n  http-reuse always\n  server s 127.0.0.1:${ports.middle} ${tls} sni str(${sni})`),
    haproxy(`frontend f\n  bind 127.0.0.1:${ports.middle} ${tls}\n  default_backend b
backend b\n  http-reuse always\n  server s 127.0.0.1:${ports.app} proto h2`),
  ]
}

/** Raw streams on the same path. */
export function haproxyStreams(ports: PathPorts, files: PemFiles, sni: string): readonly string[] {
  const tls = `ssl crt ${files.both} ca-file ${files.roots} verify required`
  return [
    haproxy(`frontend f\n  mode tcp\n  bind 127.0.0.1:${ports.front}\n  default_backend b
backend b\n  mode tcp\n  server s 127.0.0.1:${ports.middle} ${tls} sni str(${sni})`),
    haproxy(`frontend f\n  mode tcp\n  bind 127.0.0.1:${ports.middle} ${tls}\n  default_backend b
backend b\n  mode tcp\n  server s 127.0.0.1:${ports.app}`),
  ]
}

export function haproxyPlainHop(ports: PathPorts): readonly string[] {
  return [
    haproxy(`frontend f\n  bind 127.0.0.1:${ports.front}\n  default_backend b
backend b\n  http-reuse always\n  server s 127.0.0.1:${ports.app}`),
  ]
}

export function nginxTwoHops(ports: PathPorts, files: PemFiles, sni: string): readonly string[] {
  const leaf = (side: string): string =>
    `${side}_certificate ${files.cert}; ${side}_certificate_key ${files.key};`
  return [
    nginx(
      ports.middle,
      `listen 127.0.0.1:${ports.front};`,
      `proxy_pass https://up; ${leaf('proxy_ssl')} proxy_ssl_trusted_certificate ${files.roots};
       proxy_ssl_verify on; proxy_ssl_verify_depth 2; proxy_ssl_name ${sni}; proxy_ssl_server_name on;
       proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse on;`,
    ),
    nginx(
      ports.app,
      `listen 127.0.0.1:${ports.middle} ssl; ${leaf('ssl')} ssl_client_certificate ${files.roots};
       ssl_verify_client on; ssl_verify_depth 2; ssl_protocols TLSv1.3;`,
      'proxy_pass http://up;',
    ),
  ]
}

export function nginxPlainHop(ports: PathPorts): readonly string[] {
  return [nginx(ports.app, `listen 127.0.0.1:${ports.front};`, 'proxy_pass http://up;')]
}

/** The application: a static answer from memory, and under /bulk/ the files of a folder. */
export function nginxApp(port: number, bulkFolder = '/nonexistent'): string {
  return nginxConfig(`server { listen 127.0.0.1:${port};
    location /bulk/ { alias ${bulkFolder}/; sendfile on; }
    location / { default_type text/plain; return 200 "hello world\\n"; } }`)
}

function haproxy(sections: string): string {
  return `global\n  nbthread 1\n  maxconn 4096\n  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s
  option http-keep-alive\n${sections}\n`
}

function nginx(upstreamPort: number, listen: string, location: string): string {
  return nginxConfig(`upstream up { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server { ${listen} location / { proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; ${location} } }`)
}

function nginxConfig(http: string): string {
  return `worker_processes 1; daemon off; error_log stderr crit; pid nginx.pid;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 60s; server_tokens off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  ${http} }
`
}
