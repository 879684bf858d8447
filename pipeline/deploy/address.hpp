#pragma once

#include <string>

namespace mlpipe {

inline constexpr const char* loopback = "127.0.0.1";
inline constexpr int usual_port = 8080;  // of a deployment that names none

// Whether a server could listen there now. A host that is no IPv4 address counts as free: who listens will
// find out.
bool is_free(const std::string& host, int port);

// A port that is free there now.
int any_free_port(const std::string& host);

// An address that a person can open, also when the server listens everywhere.
std::string url_of(const std::string& host, int port);

// 256 random bits in hexadecimal digits.
std::string random_token();

}  // namespace mlpipe
