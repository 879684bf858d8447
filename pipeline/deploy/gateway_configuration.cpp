#include "pipeline/deploy/gateway_configuration.hpp"

#include <fmt/format.h>

#include <chrono>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// Times: a server answers within 60 s by itself (mlpipe-serve --answer-timeout), and its port takes
// connections at once unless it is gone. A full queue's 503 goes to the client, who is told when to come
// again: its neighbours' queues are as full, and a server that says so is not broken.
// A client that is connected and does not ask is sent away after 10 s: workers of an earlier configuration
// wait for its request, and the end of a rollout for them.
constexpr const char* general = R"nginx(worker_processes auto;
pid {0}/nginx.pid;
error_log stderr warn;
worker_shutdown_timeout 70s;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server_tokens off;
  default_type text/plain;
  client_body_temp_path {0}/body;
  proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi;
  uwsgi_temp_path {0}/uwsgi;
  scgi_temp_path {0}/scgi;
  tcp_nodelay on;
  client_max_body_size 16m;
  client_body_buffer_size 256k;
  client_header_timeout 10s;
  client_body_timeout 30s;
  keepalive_timeout 75s;
  keepalive_requests 1000000;
  proxy_http_version 1.1;
  proxy_buffers 16 64k;
  proxy_buffer_size 64k;
  proxy_busy_buffers_size 128k;
  proxy_connect_timeout 1s;
  proxy_read_timeout 65s;
  proxy_next_upstream error timeout http_502 non_idempotent;
  proxy_next_upstream_tries 4;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Request-Id $request_name;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  map $http_x_request_id $request_name {{ "" $request_id; default $http_x_request_id; }}
  map $time_iso8601 $ten_seconds {{ "~^(?<cut>.{{18}})" $cut; default none; }}
  log_format traffic "$upstream_addr|$upstream_status|$upstream_response_time";
)nginx";

// `spare` takes over when none of the servers does.
std::string upstream(const std::string& name, const std::vector<std::string>& servers,
                     const std::vector<std::string>& spare, int port, const std::string& failing) {
  std::string text = fmt::format("  upstream {} {{\n    zone {} 256k;\n", name, name);
  for (const std::string& server : servers) {
    text += fmt::format("    server {}:{} {};\n", server, port, failing);
  }
  for (const std::string& server : spare) {
    text += fmt::format("    server {}:{} backup;\n", server, port);
  }
  return text + "    keepalive 128;\n    keepalive_timeout 60s;\n  }\n";
}

std::string location(const std::string& name, const std::string& upstream, const std::string& more) {
  return fmt::format("    location @{} {{ {}proxy_pass http://{}; }}\n", name, more, upstream);
}

// What is sent to a candidate and fails is answered by a release that has proved itself.
constexpr const char* masked =
    "proxy_next_upstream error timeout http_500 http_502 http_503 http_504 non_idempotent; ";
constexpr const char* closing = "keepalive_timeout 0; ";

std::string public_server(const Routes& routes) {
  std::string text = fmt::format("  server {{\n    listen {} backlog=4096;\n", gateway_port);
  if (!routes.traffic_log.empty()) {
    text += fmt::format("    access_log {}/{} traffic buffer=32k flush=100ms;\n", gateway_own_folder,
                        routes.traffic_log);
  }
  text += "    set $way serving;\n";
  if (!routes.candidate.empty()) {
    text += fmt::format("    if (-f {}/lease/$ten_seconds) {{ set $way $share; }}\n", gateway_folder);
  }
  text += fmt::format("    if (-f {}/closing) {{ set $way ${{way}}-closing; }}\n", gateway_folder);
  if (routes.serving.empty()) {
    return text + "    location / { return 503 \"no release serves yet\\n\"; }\n  }\n";
  }
  text += "    location / { error_page 418 = @$way; return 418; }\n";
  text += location("serving", "serving", "");
  text += location("serving-closing", "serving", closing);
  if (!routes.candidate.empty()) {
    text += location("candidate", "candidate", masked);
    text += location("candidate-closing", "candidate", std::string(masked) + closing);
  }
  return text + "  }\n";
}

std::string pattern_of(const std::string& subnet) {
  std::string pattern;
  for (const char c : subnet) {
    pattern += c == '.' ? "\\." : std::string(1, c);
  }
  return pattern;
}

// Through it mlpipe reaches the servers' own ports, which are published nowhere.
std::string control_server(const Routes& routes) {
  std::string text = fmt::format(
      "  server {{\n    listen {};\n"
      "    if ($http_authorization != \"Bearer {}\") {{ return 401; }}\n"
      "    location = /generation {{ return 200 \"{}\\n\"; }}\n"
      "    proxy_next_upstream off;\n    proxy_read_timeout 120s;\n",
      gateway_control_port, routes.token, routes.generation);
  if (!routes.traffic_log.empty()) {
    text += fmt::format("    access_log {}/{} traffic buffer=32k flush=100ms;\n", gateway_own_folder,
                        routes.traffic_log);
  }
  const auto pass = [&](const std::string& prefix, int port, const std::string& more) {
    return fmt::format(
        "    location ~ \"^/{}/(?<place>{}[0-9]+)(?<path>/.*)$\" {{ {}proxy_pass "
        "http://$place:{}$path$is_args$args; }}\n",
        prefix, pattern_of(routes.subnet), more, port);
  };
  // A header of its own would take away those above.
  text += pass("servers", routes.server_port,
               "proxy_set_header Authorization \"\"; proxy_set_header Connection \"\"; ");
  if (routes.admin_port != 0) {
    text += pass("admin", routes.admin_port, "access_log off; ");
  }
  return text + "  }\n";
}

}  // namespace

std::string gateway_configuration(const Routes& routes) {
  std::string text = fmt::format(fmt::runtime(general), gateway_own_folder);
  if (!routes.serving.empty()) {
    text += upstream("serving", routes.serving, {}, routes.server_port, "max_fails=1 fail_timeout=1s");
  }
  if (!routes.candidate.empty()) {
    text += upstream("candidate", routes.candidate, routes.serving, routes.server_port, "max_fails=0");
    text +=
        fmt::format("  split_clients $request_id $share {{ {}% candidate; * serving; }}\n", routes.weight);
  }
  return text + public_server(routes) + (routes.token.empty() ? "" : control_server(routes)) + "}\n";
}

std::string lease_name(long long seconds_since_epoch) {
  const std::chrono::system_clock::time_point time{std::chrono::seconds(seconds_since_epoch)};
  return format_time(time).substr(0, 18);
}

}  // namespace mlpipe
