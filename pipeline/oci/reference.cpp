#include "pipeline/oci/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t most_name = 255;
constexpr std::string_view hub = "docker.io";

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_word(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digits(std::string_view text) {
  constexpr std::size_t most_digits = 5;
  return !text.empty() && text.size() <= most_digits &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A label of a host name: letters, digits, and '-' within.
bool is_host_label(std::string_view label) {
  return !label.empty() && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) { return (is_word(c) && c != '_') || c == '-'; });
}

bool is_host(std::string_view text) {
  std::string_view host = text;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3 ||
        text.substr(1, end - 1).find_first_not_of("0123456789abcdefABCDEF:") != std::string_view::npos) {
      return false;
    }
    const std::string_view rest = text.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && is_digits(rest.substr(1)));
  }
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    if (!is_digits(text.substr(colon + 1))) {
      return false;
    }
  }
  const auto labels = split(host, '.');
  return std::all_of(labels.begin(), labels.end(), [](const auto& label) { return is_host_label(label); });
}

// Runs of lower-case letters and digits, between them '.', '_', '__' or any number of '-'.
bool is_path_part(std::string_view part) {
  if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back())) {
    return false;
  }
  for (std::size_t i = 0; i < part.size();) {
    std::size_t end = i;
    while (end < part.size() && !is_lower_or_digit(part[end])) {
      ++end;
    }
    const std::string_view between = part.substr(i, end - i);
    const bool dashes = between.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && between != "." && between != "_" && between != "__") {
      return false;
    }
    i = end + 1;
  }
  return true;
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw UsageError(fmt::format("'{}' names no image: {}", printable(text), why),
                   "write [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], such as registry.example/team/digits:7");
}

}  // namespace

std::string ImageReference::target() const {
  return digest ? digest_text(*digest) : tag.empty() ? "latest" : tag;
}

std::string ImageReference::text() const {
  return fmt::format("{}/{}{}{}", registry, repository, tag.empty() ? "" : ":" + tag,
                     digest ? "@" + digest_text(*digest) : "");
}

ImageReference ImageReference::with_tag(const std::string& other) const {
  return {registry, repository, other, std::nullopt};
}

ImageReference parse_reference(std::string_view text) {
  ImageReference reference;
  std::string_view name = text;
  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    reference.digest = parse_digest(name.substr(at + 1));
    if (!reference.digest) {
      refuse(text, "what follows '@' is not sha256: and 64 hexadecimal digits in lower case");
    }
    name = name.substr(0, at);
  }
  const std::size_t slash = name.rfind('/');
  const std::size_t colon = name.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    reference.tag = name.substr(colon + 1);
    if (!is_tag(reference.tag)) {
      refuse(text,
             "a tag is at most 128 letters, digits, '_', '.' and '-', and begins with none of the last two");
    }
    name = name.substr(0, colon);
  }
  const std::string_view first = name.substr(0, name.find('/'));
  const bool has_host =
      first.size() < name.size() &&
      (first.find_first_of(".:[") != std::string_view::npos || first == "localhost" ||
       std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; }));
  reference.registry = has_host ? first : hub;
  if (has_host && !is_host(first)) {
    refuse(text, fmt::format("'{}' is no host", printable(first)));
  }
  if (reference.registry == "index.docker.io") {
    reference.registry = hub;
  }
  reference.repository = has_host ? name.substr(first.size() + 1) : name;
  for (const std::string& part : split(reference.repository, '/')) {
    if (!is_path_part(part)) {
      refuse(text, fmt::format(
                       "'{}' is not made of lower-case letters and digits with '.', '_', '__' or '-' between",
                       printable(part)));
    }
  }
  if (reference.registry == hub && reference.repository.find('/') == std::string::npos) {
    if (Digest::is_hex(reference.repository)) {
      refuse(text, "64 hexadecimal digits are an image's id");
    }
    reference.repository = "library/" + reference.repository;
  }
  if (reference.registry.size() + 1 + reference.repository.size() > most_name) {
    refuse(text, fmt::format("it is longer than {} characters", most_name));
  }
  return reference;
}

bool is_tag(std::string_view text) {
  constexpr std::size_t most_tag = 128;
  return !text.empty() && text.size() <= most_tag && is_word(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

std::string digest_text(const Digest& digest) {
  return "sha256:" + digest.hex();
}

std::optional<Digest> parse_digest(std::string_view text) {
  constexpr std::string_view algorithm = "sha256:";
  if (!text.starts_with(algorithm) || !Digest::is_hex(text.substr(algorithm.size()))) {
    return std::nullopt;
  }
  const Digest digest = Digest::from_hex(text.substr(algorithm.size()));
  return digest_text(digest) == text ? std::optional(digest) : std::nullopt;
}

}  // namespace mlpipe
