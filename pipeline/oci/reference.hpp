#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/digest.hpp"

namespace mlpipe {

// What names an image or another artifact, as docker writes it: "[HOST[:PORT]/]NAME[:TAG][@sha256:HEX]".
// Without a host it is Docker Hub's, and a name of one part there is one of its own ("library/…").
struct ImageReference {
  std::string registry;    // "docker.io", "127.0.0.1:5000"
  std::string repository;  // "team/digits"
  std::string tag;         // empty: none was given
  std::optional<Digest> digest;

  // What a registry is asked for: the digest, else the tag, else "latest".
  std::string target() const;
  // In full.
  std::string text() const;
  ImageReference with_tag(const std::string& other) const;

  friend bool operator==(const ImageReference&, const ImageReference&) = default;
};

// Throws UsageError that says what is wrong with it.
ImageReference parse_reference(std::string_view text);

// Whether the text can be a tag: a letter, a digit or '_', then at most 127 of these, '.' and '-'.
bool is_tag(std::string_view text);

// "sha256:HEX", which is all that is read and written.
std::string digest_text(const Digest& digest);
// Nothing for any other text.
std::optional<Digest> parse_digest(std::string_view text);

}  // namespace mlpipe
