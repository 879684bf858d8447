#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/oci/authorization.hpp"
#include "pipeline/oci/http.hpp"
#include "pipeline/oci/image.hpp"
#include "pipeline/oci/reference.hpp"

namespace mlpipe {

struct RegistryOptions {
  std::vector<std::string> insecure;  // registries that plain http is spoken with, besides those on loopback
  std::uint64_t chunk_bytes = std::uint64_t{32} << 20U;  // a larger blob is sent in pieces of this size
  Patience patience;
};

// A manifest as a registry gave it, its digest checked.
struct FetchedManifest {
  std::string text;
  Digest digest;
  std::string media_type;
};

// What an upload did, for who tells about it.
enum class Upload { was_there, mounted, sent };

// Speaks the OCI distribution protocol with one registry, over connections that stay open. What comes in is
// checked against its digest; bytes that are wrong are an Error. All errors name the registry and what was
// wanted, and no secret. Not thread-safe.
class RegistryClient {
 public:
  RegistryClient(std::string registry, const Environment& environment, RegistryOptions options = {});

  const std::string& registry() const { return registry_; }
  bool speaks_plain_http() const { return origin_.starts_with("http:"); }

  // Nothing where there is none.
  std::optional<FetchedManifest> find_manifest(const std::string& repository, const std::string& target);
  // An image's manifest for an architecture, as images name it, or an artifact's. UsageError where there is
  // none.
  FetchedManifest get_manifest(const ImageReference& reference,
                               const std::string& architecture = own_architecture());
  std::optional<Digest> head_manifest(const std::string& repository, const std::string& target);
  void put_manifest(const std::string& repository, const std::string& target, const std::string& text);

  bool has_blob(const std::string& repository, const Digest& digest);
  std::string get_small_blob(const std::string& repository, const Descriptor& blob);
  // To a file that does not exist yet; resumed where it broke off. There is no file when it fails.
  void get_blob(const std::string& repository, const Digest& digest, std::uint64_t bytes,
                const std::filesystem::path& to);
  // `mount_from`: another repository of this registry that may have it; empty: none is known.
  Upload put_blob(const std::string& repository, const Digest& digest, const std::filesystem::path& file,
                  const std::string& mount_from = "");
  Upload put_small_blob(const std::string& repository, std::string_view bytes);
  // False where the other repository does not give it.
  bool mount_blob(const std::string& repository, const Digest& digest, const std::string& from);

  // The tags of a repository, at most so many; none where there is no repository.
  std::vector<std::string> tags(const std::string& repository, std::size_t most);

 private:
  std::string url(const std::string& repository, const std::string& rest) const;
  HttpAnswer send(HttpRequest request, const std::string& scope, const std::string& doing);
  [[noreturn]] void refuse(const HttpAnswer& answer, const std::string& doing) const;
  std::string start_upload(const std::string& repository, const Digest& digest, const std::string& mount_from,
                           const std::string& doing);
  void send_whole(const std::string& repository, const std::string& location, const Digest& digest,
                  const HttpRequest& content, const std::string& doing);
  void send_in_chunks(const std::string& repository, std::string location, const Digest& digest,
                      const HttpRequest::FilePart& content, const std::string& doing);
  Upload upload(const std::string& repository, const Digest& digest, const HttpRequest& content,
                const std::string& mount_from);
  void wait_after(int attempt) const;
  struct Progress {
    std::string location;
    std::uint64_t received = 0;
  };
  Progress progress_of(const std::string& repository, const std::string& location, const std::string& doing);

  std::string registry_;
  std::string origin_;
  RegistryOptions options_;
  HttpClient http_;
  std::set<std::pair<std::string, Digest>> there_;  // blobs that a repository is known to have
  Authorization authorization_;
};

// Whether plain http is spoken with a registry that nobody called insecure: it is on this machine.
bool is_loopback(const std::string& registry);

}  // namespace mlpipe
