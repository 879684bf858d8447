#include "server/port_secrets.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <utility>

#include "pipeline/base/error.hpp"
#include "server/log.hpp"

namespace mlpipe {
namespace {

std::string random_token() {
  std::array<unsigned char, 24> bytes{};
  if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw Error("making an admin token: no random numbers can be had", "give one with --admin-token-file");
  }
  std::string text;
  for (const unsigned char byte : bytes) {
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

void warn_if_others_can_read(const std::filesystem::path& file) {
  struct stat status {};
  if (!file.empty() && ::stat(file.c_str(), &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0) {
    log_info("credentials can be read by others", {{"file", file.string()}});
  }
}

std::shared_ptr<const Credentials> read_shared(const CredentialFiles& files) {
  warn_if_others_can_read(files.tokens);
  warn_if_others_can_read(files.users);
  return std::make_shared<const Credentials>(read_credentials(files));
}

}  // namespace

PortSecrets::PortSecrets(CredentialFiles credential_files, TlsFiles tls_files)
    : credential_files_(std::move(credential_files)), tls_files_(std::move(tls_files)) {
  if (credential_files_.any()) {
    credentials_ = std::make_shared<Current<const Credentials>>(read_shared(credential_files_));
  }
  if (tls_files_.any()) {
    tls_ = std::make_shared<Current<TlsContext>>(read_tls(tls_files_));
  }
}

void PortSecrets::require_credentials() {
  if (credentials_) {
    return;
  }
  const std::string token = random_token();
  fmt::print("admin token (made for this run): {}\n", token);
  Credentials credentials;
  credentials.add_token(token);
  credentials_ = std::make_shared<Current<const Credentials>>(
      std::make_shared<const Credentials>(std::move(credentials)));
}

void PortSecrets::reload(const std::string& port, ReloadReport& report) const {
  if (credential_files_.any()) {
    report.attempt(port + " credentials", [&] { credentials_->set(read_shared(credential_files_)); });
  }
  if (tls_files_.any()) {
    report.attempt(port + " certificate", [&] { tls_->set(read_tls(tls_files_)); });
  }
}

}  // namespace mlpipe
