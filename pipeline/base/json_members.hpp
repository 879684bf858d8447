#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "pipeline/base/pack.hpp"

namespace mlpipe {

// Structs as JSON objects, for records that a later command reads: every member is named once, for both
// directions, by a function beside the struct, in its namespace:
//   void each_member(OneOf<Toleration> auto& toleration, auto&& member) {
//     member("key", toleration.key);
//     member("seconds", toleration.seconds);
//   }
// An optional that holds nothing is left out; a path is its text, a duration its count.

template <typename T>
concept HasMembers = requires(T& value) {
  each_member(value, [](const char*, auto&) {});
};

namespace json_members {

template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <typename T>
inline constexpr bool is_list = false;
template <HasMembers T>
inline constexpr bool is_list<std::vector<T>> = true;
template <typename T>
inline constexpr bool is_duration = false;
template <typename Count, typename Period>
inline constexpr bool is_duration<std::chrono::duration<Count, Period>> = true;

}  // namespace json_members

template <typename T>
nlohmann::json json_of(const T& value) {
  if constexpr (HasMembers<const T>) {
    nlohmann::json json = nlohmann::json::object();
    each_member(value, [&json]<typename Member>(const char* name, const Member& member) {
      if constexpr (json_members::is_optional<Member>) {
        if (member) {
          json[name] = json_of(*member);
        }
      } else {
        json[name] = json_of(member);
      }
    });
    return json;
  } else if constexpr (json_members::is_list<T>) {
    nlohmann::json json = nlohmann::json::array();
    for (const auto& each : value) {
      json.push_back(json_of(each));
    }
    return json;
  } else if constexpr (json_members::is_duration<T>) {
    return value.count();
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return value.string();
  } else {
    return value;
  }
}

// Throws nlohmann's exceptions for what json_of() does not write.
template <typename T>
T from_json_of(const nlohmann::json& json) {
  if constexpr (HasMembers<T>) {
    T value;
    each_member(value, [&json]<typename Member>(const char* name, Member& member) {
      if constexpr (json_members::is_optional<Member>) {
        member = json.contains(name) ? Member(from_json_of<typename Member::value_type>(json[name]))
                                     : std::nullopt;
      } else {
        member = from_json_of<Member>(json.at(name));
      }
    });
    return value;
  } else if constexpr (json_members::is_list<T>) {
    T list;
    for (const nlohmann::json& each : json) {
      list.push_back(from_json_of<typename T::value_type>(each));
    }
    return list;
  } else if constexpr (json_members::is_duration<T>) {
    return T(json.get<typename T::rep>());
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return json.get<std::string>();
  } else {
    return json.get<T>();
  }
}

}  // namespace mlpipe
