#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/error.hpp"

namespace mlpipe {

// Values as bytes, for files that only the same build on the same machine reads back: numbers as they lie in
// memory, what varies in length with its count before it. A struct takes part by a function beside it that
// names its members once, for both directions, and does not compile when one was forgotten:
//   auto members(OneOf<Mark> auto& mark) { auto& [line, column] = mark; return std::tie(line, column); }
template <typename T, typename Of>
concept OneOf = std::same_as<std::remove_const_t<T>, Of>;

class Packer {
 public:
  template <typename T>
  void put(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      raw(&value, sizeof value);
    } else {
      put_composed(value);
    }
  }
  // Bytes as they are, without their count.
  void append(std::string_view bytes) { bytes_ += bytes; }
  const std::string& bytes() const { return bytes_; }

 private:
  void raw(const void* data, std::size_t size) { bytes_.append(static_cast<const char*>(data), size); }

  void put_composed(const std::string& text) {
    put(text.size());
    bytes_ += text;
  }
  void put_composed(const Digest& digest) { raw(digest.bytes().data(), Digest::size); }
  template <typename Rep, typename Period>
  void put_composed(const std::chrono::duration<Rep, Period>& duration) {
    put(duration.count());
  }
  template <typename Clock, typename Duration>
  void put_composed(const std::chrono::time_point<Clock, Duration>& time) {
    put(time.time_since_epoch());
  }
  template <typename T>
  void put_composed(const std::vector<T>& values) {
    put(values.size());
    for (const T& value : values) {
      put(value);
    }
  }
  template <typename K, typename V>
  void put_composed(const std::map<K, V>& values) {
    put(values.size());
    for (const auto& [key, value] : values) {
      put(key);
      put(value);
    }
  }
  template <typename T>
  void put_composed(const std::optional<T>& value) {
    put(value.has_value());
    if (value) {
      put(*value);
    }
  }
  template <typename... T>
  void put_composed(const std::variant<T...>& value) {
    put(value.index());
    std::visit([this](const auto& one) { this->put(one); }, value);
  }
  template <typename T>
  requires requires(const T& value) { members(value); }
  void put_composed(const T& value) {
    std::apply([this](const auto&... member) { (this->put(member), ...); }, members(value));
  }

  std::string bytes_;
};

// Reads what a Packer wrote, in the same order. Throws Error when the bytes end too early or make no sense;
// never reads beyond them. The bytes must outlive it and every string_view that it gave.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  T get() {
    T value{};
    get(value);
    return value;
  }
  template <typename T>
  void get(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = get<std::uint8_t>() != 0;
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      std::memcpy(&value, raw(sizeof value).data(), sizeof value);
    } else {
      get_composed(value);
    }
  }
  // A text in place.
  std::string_view view() { return raw(get<std::size_t>()); }
  // What has not been read yet.
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view raw(std::size_t size) {
    if (size > bytes_.size()) {
      throw Error("packed bytes end too early");
    }
    const std::string_view part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }

  void get_composed(std::string& text) { text = view(); }
  void get_composed(Digest& digest) {
    std::array<unsigned char, Digest::size> bytes{};
    std::memcpy(bytes.data(), raw(Digest::size).data(), Digest::size);
    digest = Digest(bytes);
  }
  template <typename Rep, typename Period>
  void get_composed(std::chrono::duration<Rep, Period>& duration) {
    duration = std::chrono::duration<Rep, Period>(get<Rep>());
  }
  template <typename Clock, typename Duration>
  void get_composed(std::chrono::time_point<Clock, Duration>& time) {
    time = std::chrono::time_point<Clock, Duration>(get<Duration>());
  }
  template <typename T>
  void get_composed(std::vector<T>& values) {
    values.clear();
    // Grows as it reads: a count that is wrong must not ask for its memory.
    for (std::size_t count = get<std::size_t>(); count > 0; --count) {
      values.push_back(get<T>());
    }
  }
  template <typename K, typename V>
  void get_composed(std::map<K, V>& values) {
    values.clear();
    for (std::size_t count = get<std::size_t>(); count > 0; --count) {
      K key = get<K>();
      values.emplace_hint(values.end(), std::move(key), get<V>());
    }
  }
  template <typename T>
  void get_composed(std::optional<T>& value) {
    value.reset();
    if (get<bool>()) {
      value = get<T>();
    }
  }
  template <typename... T>
  void get_composed(std::variant<T...>& value) {
    get_alternative(value, get<std::size_t>(), std::index_sequence_for<T...>());
  }
  template <typename... T, std::size_t... I>
  void get_alternative(std::variant<T...>& value, std::size_t index, std::index_sequence<I...>) {
    const bool known = ((index == I && (value = get<T>(), true)) || ...);
    if (!known) {
      throw Error("packed bytes name an alternative that does not exist");
    }
  }
  template <typename T>
  requires requires(T& value) { members(value); }
  void get_composed(T& value) {
    std::apply([this](auto&... member) { (this->get(member), ...); }, members(value));
  }

  std::string_view bytes_;
};

}  // namespace mlpipe
