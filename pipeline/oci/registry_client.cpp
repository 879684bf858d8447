#include "pipeline/oci/registry_client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t largest_small_blob = std::uint64_t{64} << 20U;

std::string pull_scope(const std::string& repository) {
  return fmt::format("repository:{}:pull", repository);
}
std::string push_scope(const std::string& repository) {
  return fmt::format("repository:{}:pull,push", repository);
}

std::string origin_of_registry(const std::string& registry, const RegistryOptions& options) {
  const bool plain = is_loopback(registry) || std::find(options.insecure.begin(), options.insecure.end(),
                                                        registry) != options.insecure.end();
  return fmt::format("{}://{}", plain ? "http" : "https",
                     registry == "docker.io" ? "registry-1.docker.io" : registry);
}

// "UNAUTHORIZED: authentication required", as the protocol lets a registry explain itself.
std::string explanation(const HttpAnswer& answer) {
  const json document = json::parse(answer.body, nullptr, false);
  if (!document.is_object() || !document.contains("errors") || !document["errors"].is_array() ||
      document["errors"].empty() || !document["errors"][0].is_object()) {
    return "";
  }
  const json code = document["errors"][0].value("code", json());
  const json message = document["errors"][0].value("message", json());
  return printable(fmt::format(" ({}: {})", code.is_string() ? code.get<std::string>() : "",
                               message.is_string() ? message.get<std::string>() : ""));
}

std::string with_digest(const std::string& location, const Digest& digest) {
  return fmt::format("{}{}digest={}", location, location.find('?') == std::string::npos ? '?' : '&',
                     url_encoded(digest_text(digest)));
}

// "0-1023": how many bytes an upload has.
std::optional<std::uint64_t> received_of(const HttpAnswer& answer) {
  const std::string range = answer.header("range");
  const std::string last = range.substr(range.find('-') + 1);
  constexpr std::size_t most_digits = 18;
  if (range.empty() || last.empty() || last.size() > most_digits ||
      last.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  // An upload that has nothing yet says "0-0", as one of a single byte does.
  const std::uint64_t end = std::stoull(last);
  return end == 0 ? 0 : end + 1;
}

}  // namespace

bool is_loopback(const std::string& registry) {
  const std::string host =
      registry.substr(0, registry.starts_with('[') ? registry.find(']') + 1 : registry.find(':'));
  const std::vector<std::string> parts = split(host, '.');
  const bool loopback_address =
      parts.size() == 4 && parts[0] == "127" &&
      std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
        return !part.empty() && part.size() <= 3 && part.find_first_not_of("0123456789") == std::string::npos;
      });
  return host == "localhost" || host == "[::1]" || loopback_address;
}

RegistryClient::RegistryClient(std::string registry, const Environment& environment, RegistryOptions options)
    : registry_(std::move(registry)),
      origin_(origin_of_registry(registry_, options)),
      options_(std::move(options)),
      http_(options_.patience),
      authorization_(registry_, origin_, find_credentials(registry_, environment)) {}

std::string RegistryClient::url(const std::string& repository, const std::string& rest) const {
  return fmt::format("{}/v2/{}/{}", origin_, repository, rest);
}

void RegistryClient::refuse(const HttpAnswer& answer, const std::string& doing) const {
  std::string hint;
  if (answer.status == 401 || answer.status == 403) {
    hint = fmt::format("`docker login {}` as somebody who may do this", registry_);
  } else if (answer.status == 429 || answer.status >= 500) {
    hint = "it is busy or broken: try again later";
  }
  throw Error(fmt::format("{}: {} answers with HTTP status {}{}", doing, registry_, answer.status,
                          explanation(answer)),
              hint);
}

HttpAnswer RegistryClient::send(HttpRequest request, const std::string& scope, const std::string& doing) {
  const bool to_registry = origin_of(request.url) == origin_of(origin_);  // an upload may go elsewhere
  try {
    if (to_registry) {
      authorization_.apply(request, scope);
    }
    HttpAnswer answer = http_.send(request);
    if (answer.status != 401 || !to_registry || origin_of(answer.url) != origin_of(origin_)) {
      return answer;
    }
    authorization_.answer(answer, scope, http_);
    request.bearer.clear();
    authorization_.apply(request, scope);
    answer = http_.send(request);
    if (answer.status == 401) {
      throw Error("it refuses the credentials that are known for it" + explanation(answer),
                  fmt::format("`docker login {}` writes down others", registry_));
    }
    return answer;
  } catch (const Unavailable& error) {
    throw Unavailable(
        fmt::format("{}: {}: {}", doing, registry_, error.what()),
        origin_.starts_with("https:")
            ? fmt::format("is {} the right registry? One that speaks plain http has to be named in "
                          "MLPIPE_INSECURE_REGISTRIES",
                          registry_)
            : fmt::format("is a registry running at {}?", registry_));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}: {}", doing, registry_, error.what()), error.hint());
  }
}

std::optional<FetchedManifest> RegistryClient::find_manifest(const std::string& repository,
                                                             const std::string& target) {
  const std::string doing = fmt::format("reading {}/{}, {}", registry_, repository, target);
  HttpRequest request;
  request.url = url(repository, "manifests/" + target);
  request.headers = {fmt::format("Accept: {}, {}, {}, {}", media_type::oci_manifest, media_type::oci_index,
                                 media_type::docker_manifest, media_type::docker_list)};
  HttpAnswer answer = send(request, pull_scope(repository), doing);
  if (answer.status == 404) {
    return std::nullopt;
  }
  if (!answer.succeeded()) {
    refuse(answer, doing);
  }
  const Digest digest = digest_of(answer.body);
  const auto promised = parse_digest(target);
  if (promised && *promised != digest) {
    throw Error(fmt::format("{}: the registry gives other bytes, sha256:{}", doing, digest.hex()));
  }
  const std::string type = answer.header("content-type");
  return FetchedManifest{std::move(answer.body), digest, type.substr(0, type.find(';'))};
}

FetchedManifest RegistryClient::get_manifest(const ImageReference& reference,
                                             const std::string& architecture) {
  auto found = find_manifest(reference.repository, reference.target());
  if (found && (found->media_type == media_type::oci_index || found->media_type == media_type::docker_list)) {
    try {
      found =
          find_manifest(reference.repository, digest_text(choose_platform(found->text, architecture).digest));
    } catch (const Unavailable&) {
      throw;
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", reference.text(), error.what()), error.hint());
    }
  }
  if (!found) {
    throw UsageError(fmt::format("{}: the registry has no such image or artifact", reference.text()));
  }
  return *std::move(found);
}

std::optional<Digest> RegistryClient::head_manifest(const std::string& repository,
                                                    const std::string& target) {
  const std::string doing = fmt::format("looking for {}/{}, {}", registry_, repository, target);
  HttpRequest request;
  request.method = "HEAD";
  request.url = url(repository, "manifests/" + target);
  request.headers = {fmt::format("Accept: {}, {}", media_type::oci_manifest, media_type::docker_manifest)};
  const HttpAnswer answer = send(request, pull_scope(repository), doing);
  if (answer.status == 404) {
    return std::nullopt;
  }
  if (!answer.succeeded()) {
    refuse(answer, doing);
  }
  const auto digest = parse_digest(answer.header("docker-content-digest"));
  return digest ? digest : find_manifest(repository, target)->digest;
}

void RegistryClient::put_manifest(const std::string& repository, const std::string& target,
                                  const std::string& text) {
  const std::string doing = fmt::format("writing {}/{}, {}", registry_, repository, target);
  HttpRequest request;
  request.method = "PUT";
  request.url = url(repository, "manifests/" + target);
  request.headers = {fmt::format("Content-Type: {}", media_type::oci_manifest)};
  request.body = text;
  if (const HttpAnswer answer = send(request, push_scope(repository), doing); !answer.succeeded()) {
    refuse(answer, doing);
  }
}

bool RegistryClient::has_blob(const std::string& repository, const Digest& digest) {
  if (there_.contains({repository, digest})) {
    return true;
  }
  const std::string doing =
      fmt::format("looking for {} in {}/{}", digest_text(digest), registry_, repository);
  HttpRequest request;
  request.method = "HEAD";
  request.url = url(repository, "blobs/" + digest_text(digest));
  const HttpAnswer answer = send(request, pull_scope(repository), doing);
  if (answer.status != 404 && !answer.succeeded()) {
    refuse(answer, doing);
  }
  if (answer.succeeded()) {
    there_.emplace(repository, digest);
  }
  return answer.succeeded();
}

std::string RegistryClient::get_small_blob(const std::string& repository, const Descriptor& blob) {
  const std::string doing =
      fmt::format("reading {} of {}/{}", digest_text(blob.digest), registry_, repository);
  HttpRequest request;
  request.url = url(repository, "blobs/" + digest_text(blob.digest));
  request.most_bytes = std::min(blob.bytes, largest_small_blob);
  HttpAnswer answer = send(request, pull_scope(repository), doing);
  if (!answer.succeeded()) {
    refuse(answer, doing);
  }
  if (digest_of(answer.body) != blob.digest) {
    throw Error(
        fmt::format("{}: the registry gives other bytes, sha256:{}", doing, digest_of(answer.body).hex()));
  }
  return std::move(answer.body);
}

void RegistryClient::get_blob(const std::string& repository, const Digest& digest, std::uint64_t bytes,
                              const fs::path& to) {
  const std::string doing = fmt::format("reading {} of {}/{}", digest_text(digest), registry_, repository);
  const FileDescriptor file = open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
  try {
    std::uint64_t got = 0;
    Hasher hasher;
    for (int attempt = 0;; ++attempt) {
      HttpRequest request;
      request.url = url(repository, "blobs/" + digest_text(digest));
      request.most_bytes = bytes - got;
      if (got > 0) {
        request.headers = {fmt::format("Range: bytes={}-", got)};
      }
      request.receive = [&](std::string_view piece) {
        write_all(file.get(), piece, to.string());
        hasher.update(piece);
        got += piece.size();
      };
      const std::uint64_t before = got;
      try {
        const HttpAnswer answer = send(request, pull_scope(repository), doing);
        if (!answer.succeeded()) {
          refuse(answer, doing);
        }
        if (before > 0 && answer.status != 206) {
          throw Error(fmt::format("{}: the registry does not resume", doing));
        }
        break;
      } catch (const Unavailable&) {
        if (got == before || attempt >= options_.patience.retries) {
          throw;
        }
      }
    }
    if (const Digest found = hasher.finish(); got != bytes || found != digest) {
      throw Error(
          fmt::format("{}: the registry gives other bytes: {} of them, sha256:{}", doing, got, found.hex()));
    }
  } catch (...) {
    ::unlink(to.c_str());
    throw;
  }
}

std::string RegistryClient::start_upload(const std::string& repository, const Digest& digest,
                                         const std::string& mount_from, const std::string& doing) {
  HttpRequest request;
  request.method = "POST";
  request.url = url(repository, "blobs/uploads/");
  std::string scope = push_scope(repository);
  if (!mount_from.empty() && mount_from != repository) {
    request.url +=
        fmt::format("?mount={}&from={}", url_encoded(digest_text(digest)), url_encoded(mount_from));
    scope += " " + pull_scope(mount_from);
  }
  const HttpAnswer answer = send(request, scope, doing);
  if (answer.status == 201) {
    return "";  // mounted
  }
  if (answer.status != 202) {
    refuse(answer, doing);
  }
  return resolve_url(answer.url, answer.header("location"));
}

void RegistryClient::send_whole(const std::string& repository, const std::string& location,
                                const Digest& digest, const HttpRequest& content, const std::string& doing) {
  HttpRequest request = content;
  request.method = "PUT";
  request.url = with_digest(location, digest);
  request.headers = {"Content-Type: application/octet-stream"};
  request.repeatable = false;  // once begun, an upload is another one
  const HttpAnswer answer = send(request, push_scope(repository), doing);
  if (answer.status >= 500) {
    throw Unavailable(fmt::format("{}: {} answers with HTTP status {}", doing, registry_, answer.status));
  }
  if (!answer.succeeded()) {
    refuse(answer, doing);
  }
}

void RegistryClient::wait_after(int attempt) const {
  const long pause =
      std::min<long>(static_cast<long>(options_.patience.first_pause_ms) << std::min(attempt, 10),
                     options_.patience.longest_pause_ms);
  std::this_thread::sleep_for(std::chrono::milliseconds(pause));
}

RegistryClient::Progress RegistryClient::progress_of(const std::string& repository,
                                                     const std::string& location, const std::string& doing) {
  HttpRequest request;
  request.url = location;
  const HttpAnswer answer = send(request, push_scope(repository), doing);
  const auto received = received_of(answer);
  if (!answer.succeeded() || !received) {
    refuse(answer, doing);
  }
  const std::string next = answer.header("location");
  return {next.empty() ? location : resolve_url(answer.url, next), *received};
}

void RegistryClient::send_in_chunks(const std::string& repository, std::string location, const Digest& digest,
                                    const HttpRequest::FilePart& content, const std::string& doing) {
  const std::uint64_t bytes = content.bytes;
  int failures = 0;
  for (std::uint64_t sent = 0; sent < bytes;) {
    HttpRequest request;
    request.method = "PATCH";
    request.url = location;
    const std::uint64_t count = std::min(options_.chunk_bytes, bytes - sent);
    request.file = HttpRequest::FilePart{content.path, sent, count};
    request.headers = {"Content-Type: application/octet-stream",
                       fmt::format("Content-Range: {}-{}", sent, sent + count - 1)};
    request.repeatable = false;
    std::string broken;
    try {
      const HttpAnswer answer = send(request, push_scope(repository), doing);
      if (answer.succeeded()) {
        const std::uint64_t received = received_of(answer).value_or(sent + count);
        if (received <= sent || received > bytes) {
          throw Error(fmt::format("{}: the registry says that it has {} of {} bytes after {} were sent",
                                  doing, received, bytes, sent + count));
        }
        sent = received;
        location = resolve_url(answer.url, answer.header("location"));
        continue;
      }
      if (answer.status != 416 && answer.status != 429 && answer.status < 500) {
        refuse(answer, doing);
      }
      broken = fmt::format("HTTP status {}", answer.status);
      if (++failures > options_.patience.retries) {
        refuse(answer, doing);
      }
    } catch (const Unavailable& error) {
      broken = error.what();
      if (++failures > options_.patience.retries) {
        throw;
      }
    }
    wait_after(failures);
    const Progress progress = progress_of(repository, location, doing);
    if (progress.received > bytes) {
      throw Error(fmt::format("{}: the registry says that it has more bytes than there are", doing));
    }
    fmt::print(stderr, "mlpipe-registry: {}; going on at {} of {}\n", broken, format_bytes(progress.received),
               format_bytes(bytes));
    location = progress.location;
    sent = progress.received;
  }
  send_whole(repository, location, digest, HttpRequest{}, doing);
}

Upload RegistryClient::upload(const std::string& repository, const Digest& digest, const HttpRequest& content,
                              const std::string& mount_from) {
  const std::string doing = fmt::format("writing {} to {}/{}", digest_text(digest), registry_, repository);
  if (has_blob(repository, digest)) {
    return Upload::was_there;
  }
  for (int attempt = 0;; ++attempt) {
    const std::string location = start_upload(repository, digest, mount_from, doing);
    if (location.empty()) {
      return Upload::mounted;
    }
    try {
      if (content.file && content.file->bytes > options_.chunk_bytes) {
        send_in_chunks(repository, location, digest, *content.file, doing);
      } else {
        send_whole(repository, location, digest, content, doing);
      }
      there_.emplace(repository, digest);
      return Upload::sent;
    } catch (const Unavailable& error) {
      if (attempt >= options_.patience.retries) {
        throw;
      }
      fmt::print(stderr, "mlpipe-registry: {}; trying again\n", error.what());
      wait_after(attempt);
    }
  }
}

Upload RegistryClient::put_blob(const std::string& repository, const Digest& digest, const fs::path& file,
                                const std::string& mount_from) {
  HttpRequest content;
  content.file = HttpRequest::FilePart{file, 0, fs::file_size(file)};
  return upload(repository, digest, content, mount_from);
}

Upload RegistryClient::put_small_blob(const std::string& repository, std::string_view bytes) {
  HttpRequest content;
  content.body = bytes;
  return upload(repository, digest_of(bytes), content, "");
}

bool RegistryClient::mount_blob(const std::string& repository, const Digest& digest,
                                const std::string& from) {
  const std::string doing =
      fmt::format("taking {} from {} to {}/{}", digest_text(digest), from, registry_, repository);
  const std::string location = start_upload(repository, digest, from, doing);
  if (!location.empty()) {  // an upload that nobody wants now
    HttpRequest request;
    request.method = "DELETE";
    request.url = location;
    send(request, push_scope(repository), doing);
  }
  return location.empty();
}

std::vector<std::string> RegistryClient::tags(const std::string& repository, std::size_t most) {
  const std::string doing = fmt::format("listing the tags of {}/{}", registry_, repository);
  constexpr std::size_t page = 1000;
  std::vector<std::string> tags;
  std::string next = url(repository, fmt::format("tags/list?n={}", page));
  while (!next.empty() && tags.size() < most) {
    HttpRequest request;
    request.url = next;
    const HttpAnswer answer = send(request, pull_scope(repository), doing);
    if (answer.status == 404) {
      break;
    }
    if (!answer.succeeded()) {
      refuse(answer, doing);
    }
    const json document = json::parse(answer.body, nullptr, false);
    if (!document.is_object()) {
      throw Error(fmt::format("{}: the answer is no JSON object", doing));
    }
    if (const auto names = document.find("tags"); names != document.end() && names->is_array()) {
      for (const json& name : *names) {
        if (name.is_string() && tags.size() < most) {
          tags.push_back(name.get<std::string>());
        }
      }
    }
    const std::string link = answer.header("link");
    const std::size_t begin = link.find('<');
    const std::size_t end = link.find('>');
    next = begin != std::string::npos && end != std::string::npos && end > begin &&
                   link.find("rel=\"next\"") != std::string::npos
               ? resolve_url(answer.url, link.substr(begin + 1, end - begin - 1))
               : "";
  }
  return tags;
}

}  // namespace mlpipe
