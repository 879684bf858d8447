#pragma once

#include "pipeline/oci/http.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {

inline constexpr std::string_view s3_scheme = "s3://";

// Results in a bucket of S3, or of what speaks its protocol:
//   PREFIX/records/NAME      a record
//   PREFIX/blobs/sha256/HEX  bytes
// From the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION or
// AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.
class S3Remote : public Remote {
 public:
  S3Remote(const std::string& url, const Environment& environment);

  Keys keys(std::size_t most) override;
  std::optional<RemoteRecord> get_record(const std::string& name) override;
  void put_record(const std::string& name, const RemoteRecord& record) override;
  void get_blob(const RemoteBlob& blob, const std::filesystem::path& to) override;
  void put_blob(const RemoteBlob& blob, const std::filesystem::path& from) override;

 private:
  // `body`: the digest of what is sent.
  HttpRequest request(const std::string& method, const std::string& object,
                      const Digest& body = digest_of("")) const;
  HttpAnswer send(const HttpRequest& request, const std::string& doing);
  [[noreturn]] void refuse(const HttpAnswer& answer, const std::string& doing) const;
  std::string object_of_record(const std::string& name) const;
  std::string object_of_blob(const Digest& digest) const;

  std::string name_;    // "s3://bucket/prefix", for messages
  std::string bucket_;  // its URL
  std::string prefix_;  // empty, or ends with '/'
  std::string region_;
  std::string session_token_;
  Login login_;
  HttpClient http_;
};

}  // namespace mlpipe
