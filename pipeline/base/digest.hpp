#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace mlpipe {

// A SHA-256, the name of bytes. A value; the default is all zeros and names nothing.
class Digest {
 public:
  static constexpr std::size_t size = 32;

  Digest() = default;
  explicit Digest(const std::array<unsigned char, size>& bytes) : bytes_(bytes) {}
  // Reads 64 hexadecimal digits, upper or lower case; throws Error otherwise.
  static Digest from_hex(std::string_view hex);
  static bool is_hex(std::string_view text);

  std::string hex() const;
  std::string short_hex() const { return hex().substr(0, 12); }
  std::span<const unsigned char, size> bytes() const { return bytes_; }
  bool is_zero() const { return *this == Digest(); }

  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  std::array<unsigned char, size> bytes_{};
};

// Computes a SHA-256 piece by piece. Not thread-safe.
class Hasher {
 public:
  Hasher();
  void update(std::string_view bytes);
  // The digest of all that was given; the hasher must not be used afterwards.
  Digest finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

Digest digest_of(std::string_view bytes);
Digest digest_of_file(const std::filesystem::path& path);

}  // namespace mlpipe

template <>
struct std::hash<mlpipe::Digest> {
  std::size_t operator()(const mlpipe::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) {
      value = value << 8U | digest.bytes()[i];
    }
    return value;
  }
};
