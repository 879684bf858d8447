#pragma once

#include "pipeline/oci/registry_client.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {

inline constexpr std::string_view oci_scheme = "oci://";

// Results in a repository of an OCI registry. A record is an artifact that has its name as a tag: its config
// is the record, its layers are the bytes, which so are kept by the registry as long as the tag
// is. Files without bytes are not sent; registries differ in whether they take them.
class OciRemote : public Remote {
 public:
  OciRemote(const std::string& url, const Environment& environment);

  Keys keys(std::size_t most) override;
  std::optional<RemoteRecord> get_record(const std::string& name) override;
  void put_record(const std::string& name, const RemoteRecord& record) override;
  void get_blob(const RemoteBlob& blob, const std::filesystem::path& to) override;
  void put_blob(const RemoteBlob& blob, const std::filesystem::path& from) override;

 private:
  std::string repository_;
  RegistryClient client_;
};

}  // namespace mlpipe
