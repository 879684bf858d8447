#pragma once

#include <simdjson.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/model.hpp"
#include "server/http/message.hpp"
#include "server/protocol/failure.hpp"
#include "server/protocol/number_block.hpp"

namespace mlpipe {

// Refuses a body that says it is something else than JSON in UTF-8 (415). What curl and simple clients send
// without being told passes: no type at all, a form, plain text, or bytes; the body is read as JSON or
// refused.
void require_json_type(const Request& request);

// What the request says that its body is: "text/plain" of "Text/Plain; charset=utf-8", empty when it says
// nothing.
std::string media_type(const Request& request);

// The value of a field of an object; nothing where the field is missing.
using JsonField = std::optional<simdjson::dom::element>;

// A JSON document and the memory it lives in.
class JsonBody {
 public:
  // Throws RequestError 400 when the request's body is no JSON object, is deeper than the limit or not UTF-8.
  explicit JsonBody(const Request& request) : JsonBody(std::string_view(request.body)) {}
  explicit JsonBody(std::string_view text);

  // The fields of an object, each at most once and all of them known, in the order of `known`. `where` names
  // the object in messages ("" is the body itself).
  static std::vector<JsonField> fields(const simdjson::dom::object& object, const std::string& where,
                                       const std::vector<std::string>& known);

  const simdjson::dom::object& object() const { return object_; }

 private:
  std::unique_ptr<simdjson::dom::parser> own_;  // for a large document, so that its memory is given back
  simdjson::dom::object object_;
};

// Throws RequestError 400 that names the place ("data[3][2]") of what is no number, not within FP32, or in a
// list that is not as long as its neighbours. With `columns` the innermost lists are rows of that table: what
// stands in a column with categories is the text of one of them (or the number that is spelled like it), and
// becomes its index. A number that lies between two of FP32's is rounded, or refused.
enum class BetweenFp32 { round, refuse };
NumberBlock read_numbers(const simdjson::dom::element& element, const std::string& field,
                         std::span<const Column> columns = {}, BetweenFp32 between = BetweenFp32::round);

// Refuses raw examples with what is no index where the model wants one: of a category (-1: one that training
// did not have), or of what its embedding knows.
void require_indices(const Model& model, std::span<const float> rows, const std::string& field);

// Text of a string element; RequestError 400 otherwise.
std::string read_text(const simdjson::dom::element& element, const std::string& field);

// The most examples that one request may hold, so that its answer stays bounded too.
std::size_t most_examples(const Model& model);
void require_example_count(const Model& model, std::size_t count, const std::string& field);

}  // namespace mlpipe
