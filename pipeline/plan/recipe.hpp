#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"

namespace mlpipe {

// What a step would do, as fields that count. Two recipes are the same computation when their texts are
// equal.
struct Field {
  std::string tag;   // "dependency", "environment", "train", …
  std::string name;  // "data/digits.csv"; may be empty
  std::string value;

  friend auto operator<=>(const Field&, const Field&) = default;
};

class Recipe {
 public:
  void add(std::string tag, std::string name, std::string value);

  // Sorted by tag and name.
  const std::vector<Field>& fields() const { return fields_; }

  // One line a field, every part with its length before it, so that no two recipes share a text:
  //   mlpipe-recipe 1
  //   dependency 15:data/digits.csv 69:file:3f…
  std::string text() const;
  Digest digest() const { return digest_of(text()); }

  // Reads text() back; throws Error for anything else.
  static Recipe parse(std::string_view text);

  friend bool operator==(const Recipe&, const Recipe&) = default;

 private:
  std::vector<Field> fields_;
};

}  // namespace mlpipe
