#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.hpp"

namespace mlpipe {

// The language inside ${{ }}, and of `gate`: references (params.lr, steps.data.outs['mnist.npz'],
// train.accuracy, steps.train[lr=0.1].outs.model), numbers, 'texts', true, false, + - * /, comparisons, not,
// and, or, parentheses. A hyphen between letters belongs to a name (train-small), so a subtraction is written
// with spaces.

// What an expression yields. Numbers keep the text that they were written with.
struct Value {
  enum class Kind { text, number, boolean, absent };
  Kind kind = Kind::absent;
  std::string text;  // text and number: as written
  double number = 0;
  bool boolean = false;

  static Value of_text(std::string text);
  static Value of_number(double number);
  static Value of_boolean(bool boolean);
  // As a template inserts it.
  std::string to_text() const;
  friend bool operator==(const Value&, const Value&) = default;
};

// Something is wrong at an offset of the expression's source.
class ExpressionError : public Error {
 public:
  ExpressionError(std::size_t offset, const std::string& message, std::string hint = "")
      : Error(message, std::move(hint)), offset_(offset) {}
  std::size_t offset() const { return offset_; }

 private:
  std::size_t offset_;
};

struct Expression {
  enum class Kind { constant, reference, operation };
  Kind kind = Kind::constant;
  std::size_t offset = 0;  // where it begins in the source
  Value constant;
  std::vector<std::string> reference;  // {"steps", "data", "outs", "mnist.npz"}
  std::string operation;               // "not", "-", "and", "<=", …
  std::vector<Expression> operands;    // one or two

  std::string reference_text() const;
};

// Throws ExpressionError.
Expression parse_expression(std::string_view source);

// Finds what a reference stands for, or throws ExpressionError at its offset.
using Lookup = std::function<Value(const Expression& reference)>;

// `and` and `or` stop early. A comparison with an absent value holds; arithmetic with one is absent.
Value evaluate(const Expression& expression, const Lookup& lookup);

// Every reference in the expression, left to right.
std::vector<const Expression*> references_in(const Expression& expression);

// Why a condition does not hold, one sentence for each comparison that fails ("accuracy is 0.912, below 0.985
// by 0.073"); empty when it holds.
std::vector<std::string> unmet_terms(const Expression& condition, const Lookup& lookup);

// Text with ${{ }} in it: pieces of text and expressions in turn.
struct Template {
  struct Piece {
    std::string text;
    bool is_expression = false;
    Expression expression;
    std::size_t offset = 0;  // of the expression's source in the template
  };
  std::vector<Piece> pieces;

  bool is_constant() const;
  // The one expression that is all there is, or null.
  const Expression* single_expression() const;
};

// Throws ExpressionError with offsets into `source`.
Template parse_template(std::string_view source);

}  // namespace mlpipe
