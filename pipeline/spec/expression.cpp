#include "pipeline/spec/expression.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t deepest_expression = 64;

struct Token {
  enum class Kind { name, number, text, symbol, end };
  Kind kind = Kind::end;
  std::string text;
  std::size_t offset = 0;
};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Token next() {
    skip_blanks();
    const std::size_t begin = at_;
    if (begin == source_.size()) {
      return {Token::Kind::end, "", begin};
    }
    const char first = source_[begin];
    if (is_letter(first)) {
      return name(begin);
    }
    if (is_digit(first)) {
      return number(begin);
    }
    if (first == '\'' || first == '"') {
      return quoted(begin, first);
    }
    return symbol(begin);
  }

  // What stands before the next closing bracket, when it is one combination of a matrix: "lr=0.1,width=32"
  // after "train[". Reads past the bracket then, and nothing otherwise.
  std::optional<std::string> take_combination() {
    skip_blanks();
    const std::size_t end = source_.find(']', at_);
    if (end == std::string_view::npos || peek(0) == '\'' || peek(0) == '"') {
      return std::nullopt;
    }
    std::string inside;
    for (const char c : source_.substr(at_, end - at_)) {
      if (c != ' ') {
        inside += c;
      }
    }
    if (inside.find('=') == std::string::npos) {
      return std::nullopt;
    }
    at_ = end + 1;
    return inside;
  }

 private:
  void skip_blanks() {
    while (at_ < source_.size() && (source_[at_] == ' ' || source_[at_] == '\n' || source_[at_] == '\t')) {
      ++at_;
    }
  }

  char peek(std::size_t ahead) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  Token name(std::size_t begin) {
    while (is_letter(peek(0)) || is_digit(peek(0)) || (peek(0) == '-' && is_letter(peek(1)))) {
      ++at_;
    }
    return {Token::Kind::name, std::string(source_.substr(begin, at_ - begin)), begin};
  }

  Token number(std::size_t begin) {
    while (is_digit(peek(0)) || peek(0) == '.') {
      ++at_;
    }
    const bool exponent = peek(0) == 'e' || peek(0) == 'E';
    const bool sign = peek(1) == '-' || peek(1) == '+';
    if (exponent && is_digit(peek(sign ? 2 : 1))) {
      at_ += sign ? 2 : 1;
      while (is_digit(peek(0))) {
        ++at_;
      }
    }
    std::string text(source_.substr(begin, at_ - begin));
    if (!parse_number(text)) {
      throw ExpressionError(begin, fmt::format("'{}' is not a number", text));
    }
    return {Token::Kind::number, std::move(text), begin};
  }

  Token quoted(std::size_t begin, char quote) {
    const std::size_t end = source_.find(quote, begin + 1);
    if (end == std::string_view::npos) {
      throw ExpressionError(begin, fmt::format("the text that begins here has no closing {}", quote));
    }
    at_ = end + 1;
    return {Token::Kind::text, std::string(source_.substr(begin + 1, end - begin - 1)), begin};
  }

  Token symbol(std::size_t begin) {
    for (const std::string_view two : {"<=", ">=", "==", "!=", "&&", "||"}) {
      if (source_.substr(begin).starts_with(two)) {
        if (two == "&&" || two == "||") {
          throw ExpressionError(begin, fmt::format("'{}' is not an operator here", two),
                                two == "&&" ? "write `and`" : "write `or`");
        }
        at_ += 2;
        return {Token::Kind::symbol, std::string(two), begin};
      }
    }
    const char one = source_[begin];
    if (std::string_view("<>+-*/()[].").find(one) == std::string_view::npos) {
      const std::string hint = one == '!' ? "write `not`" : one == '=' ? "write ==" : "";
      throw ExpressionError(begin, fmt::format("'{}' has no place in an expression", printable({&one, 1})),
                            hint);
    }
    ++at_;
    return {Token::Kind::symbol, std::string(1, one), begin};
  }

  std::string_view source_;
  std::size_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view source) : lexer_(source), token_(lexer_.next()) {}

  Expression parse() {
    if (token_.kind == Token::Kind::end) {
      throw ExpressionError(token_.offset, "the expression is empty");
    }
    Expression expression = either();
    if (token_.kind != Token::Kind::end) {
      throw ExpressionError(token_.offset, fmt::format("'{}' was not expected here", token_.text));
    }
    return expression;
  }

 private:
  Token take() { return std::exchange(token_, lexer_.next()); }
  // The combination after the [ that stands next, with its ].
  std::optional<std::string> take_combination() {
    auto combination = lexer_.take_combination();
    if (combination) {
      token_ = lexer_.next();
    }
    return combination;
  }
  bool is_symbol(std::string_view text) const {
    return token_.kind == Token::Kind::symbol && token_.text == text;
  }
  bool is_word(std::string_view text) const {
    return token_.kind == Token::Kind::name && token_.text == text;
  }

  static Expression operation(const Token& token, std::vector<Expression> operands) {
    Expression expression;
    expression.kind = Expression::Kind::operation;
    expression.offset = token.offset;
    expression.operation = token.text;
    expression.operands = std::move(operands);
    return expression;
  }

  Expression either() {
    Expression left = both();
    while (is_word("or")) {
      const Token token = take();
      left = operation(token, {std::move(left), both()});
    }
    return left;
  }

  Expression both() {
    Expression left = negation();
    while (is_word("and")) {
      const Token token = take();
      left = operation(token, {std::move(left), negation()});
    }
    return left;
  }

  Expression negation() {
    if (is_word("not")) {
      const Depth depth(*this);
      const Token token = take();
      return operation(token, {negation()});
    }
    return comparison();
  }

  bool at_comparison() const {
    for (const std::string_view text : {"<", "<=", ">", ">=", "==", "!="}) {
      if (is_symbol(text)) {
        return true;
      }
    }
    return false;
  }

  Expression comparison() {
    Expression left = sum();
    if (!at_comparison()) {
      return left;
    }
    const Token token = take();
    Expression whole = operation(token, {std::move(left), sum()});
    if (at_comparison()) {
      throw ExpressionError(token_.offset, "comparisons cannot be chained", "join two of them with `and`");
    }
    return whole;
  }

  Expression sum() {
    Expression left = product();
    while (is_symbol("+") || is_symbol("-")) {
      const Token token = take();
      left = operation(token, {std::move(left), product()});
    }
    return left;
  }

  Expression product() {
    Expression left = unary();
    while (is_symbol("*") || is_symbol("/")) {
      const Token token = take();
      left = operation(token, {std::move(left), unary()});
    }
    return left;
  }

  Expression unary() {
    if (is_symbol("-")) {
      const Depth depth(*this);
      const Token token = take();
      return operation(token, {unary()});
    }
    return primary();
  }

  Expression primary() {
    const Depth depth(*this);
    if (is_symbol("(")) {
      take();
      Expression inside = either();
      if (!is_symbol(")")) {
        throw ExpressionError(token_.offset, "a closing ) is missing here");
      }
      take();
      return inside;
    }
    Expression expression;
    expression.offset = token_.offset;
    switch (token_.kind) {
      case Token::Kind::number: {
        const Token token = take();
        expression.constant = Value::of_number(*parse_number(token.text));
        expression.constant.text = token.text;
        return expression;
      }
      case Token::Kind::text:
        expression.constant = Value::of_text(take().text);
        return expression;
      case Token::Kind::name:
        if (is_word("true") || is_word("false")) {
          expression.constant = Value::of_boolean(take().text == "true");
          return expression;
        }
        return reference();
      default:
        throw ExpressionError(token_.offset, token_.kind == Token::Kind::end
                                                 ? std::string("something is missing here")
                                                 : fmt::format("'{}' was not expected here", token_.text));
    }
  }

  Expression reference() {
    Expression expression;
    expression.kind = Expression::Kind::reference;
    expression.offset = token_.offset;
    expression.reference.push_back(take().text);
    while (true) {
      if (is_symbol(".")) {
        take();
        if (token_.kind != Token::Kind::name) {
          throw ExpressionError(token_.offset, "a name is missing after the dot",
                                "names with other characters are written in brackets: outs['mnist.npz']");
        }
        expression.reference.push_back(take().text);
      } else if (is_symbol("[")) {
        if (const auto combination = take_combination()) {
          expression.reference.back() += "[" + *combination + "]";
          continue;
        }
        take();
        if (token_.kind != Token::Kind::text) {
          throw ExpressionError(token_.offset, "brackets hold a name in quotes, as in outs['mnist.npz']");
        }
        expression.reference.push_back(take().text);
        if (!is_symbol("]")) {
          throw ExpressionError(token_.offset, "a closing ] is missing here");
        }
        take();
      } else {
        return expression;
      }
    }
  }

  struct Depth {
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > deepest_expression) {
        throw ExpressionError(parser_.token_.offset, "the expression is nested too deeply");
      }
    }
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser_;
  };

  Lexer lexer_;
  Token token_;
  std::size_t depth_ = 0;
};

bool is_comparison(std::string_view operation) {
  return operation == "<" || operation == "<=" || operation == ">" || operation == ">=" ||
         operation == "==" || operation == "!=";
}

bool truth(const Value& value, const Expression& at) {
  if (value.kind == Value::Kind::absent) {
    return true;
  }
  if (value.kind != Value::Kind::boolean) {
    throw ExpressionError(at.offset, fmt::format("'{}' is neither true nor false", value.to_text()),
                          "compare it with something");
  }
  return value.boolean;
}

double number_of(const Value& value, const Expression& at) {
  if (value.kind == Value::Kind::number) {
    return value.number;
  }
  throw ExpressionError(at.offset, fmt::format("'{}' is not a number", value.to_text()));
}

bool compare(const Expression& expression, const Value& left, const Value& right) {
  const std::string& operation = expression.operation;
  if (operation == "==" || operation == "!=") {
    const bool numbers = left.kind == Value::Kind::number && right.kind == Value::Kind::number;
    const bool equal = numbers ? left.number == right.number : left.to_text() == right.to_text();
    return equal == (operation == "==");
  }
  const double a = number_of(left, expression.operands[0]);
  const double b = number_of(right, expression.operands[1]);
  if (operation == "<") {
    return a < b;
  }
  if (operation == "<=") {
    return a <= b;
  }
  return operation == ">" ? a > b : a >= b;
}

Value calculate(const Expression& expression, const Value& left, const Value& right) {
  const double a = number_of(left, expression.operands[0]);
  const double b = number_of(right, expression.operands[1]);
  switch (expression.operation.front()) {
    case '+':
      return Value::of_number(a + b);
    case '-':
      return Value::of_number(a - b);
    case '*':
      return Value::of_number(a * b);
    default:
      if (b == 0) {
        throw ExpressionError(expression.offset, "a division by zero");
      }
      return Value::of_number(a / b);
  }
}

std::string rounded(double value) {
  return fmt::format("{:.6g}", value);
}

std::string source_of(const Expression& expression) {
  switch (expression.kind) {
    case Expression::Kind::constant:
      return expression.constant.to_text();
    case Expression::Kind::reference:
      return expression.reference_text();
    case Expression::Kind::operation:
      break;
  }
  if (expression.operands.size() == 1) {
    return fmt::format("{} {}", expression.operation, source_of(expression.operands[0]));
  }
  return fmt::format("{} {} {}", source_of(expression.operands[0]), expression.operation,
                     source_of(expression.operands[1]));
}

std::string unmet_comparison(const Expression& term, const Value& left, const Value& right) {
  const std::string name = source_of(term.operands[0]);
  const std::string bound = term.operands[1].kind == Expression::Kind::constant
                                ? right.to_text()
                                : fmt::format("{} ({})", rounded(right.number), source_of(term.operands[1]));
  if (left.kind != Value::Kind::number || right.kind != Value::Kind::number || term.operation == "==" ||
      term.operation == "!=") {
    return fmt::format("{} is {}, wanted {} {}", name, left.to_text(), term.operation, right.to_text());
  }
  const double difference = std::abs(left.number - right.number);
  const bool wants_more = term.operation.front() == '>';
  return fmt::format("{} is {}, wanted {} {}: {} by {}", name, rounded(left.number), term.operation, bound,
                     wants_more ? "short" : "over", rounded(difference));
}

}  // namespace

Value Value::of_text(std::string text) {
  Value value;
  value.kind = Kind::text;
  value.text = std::move(text);
  return value;
}

Value Value::of_number(double number) {
  Value value;
  value.kind = Kind::number;
  value.number = number;
  value.text = number_text(number);
  return value;
}

Value Value::of_boolean(bool boolean) {
  Value value;
  value.kind = Kind::boolean;
  value.boolean = boolean;
  return value;
}

std::string Value::to_text() const {
  switch (kind) {
    case Kind::boolean:
      return boolean ? "true" : "false";
    case Kind::absent:
      return "nothing";
    default:
      return text;
  }
}

std::string Expression::reference_text() const {
  std::string text;
  for (const std::string& part : reference) {
    bool plain = !part.empty() && is_letter(part.front());
    for (const char c : part) {
      plain = plain && (is_letter(c) || is_digit(c) || c == '-');
    }
    if (!plain) {
      text += fmt::format("['{}']", part);
    } else {
      text += text.empty() ? part : "." + part;
    }
  }
  return text;
}

Expression parse_expression(std::string_view source) {
  return Parser(source).parse();
}

Value evaluate(const Expression& expression, const Lookup& lookup) {
  if (expression.kind == Expression::Kind::constant) {
    return expression.constant;
  }
  if (expression.kind == Expression::Kind::reference) {
    return lookup(expression);
  }
  const std::string& operation = expression.operation;
  const Expression& first = expression.operands.front();
  const Value left = evaluate(first, lookup);
  if (operation == "not") {
    return Value::of_boolean(!truth(left, first));
  }
  if (expression.operands.size() == 1) {
    return left.kind == Value::Kind::absent ? left : Value::of_number(-number_of(left, first));
  }
  const Expression& second = expression.operands[1];
  if (operation == "and" || operation == "or") {
    const bool stops = truth(left, first) == (operation == "or");
    return Value::of_boolean(stops ? operation == "or" : truth(evaluate(second, lookup), second));
  }
  const Value right = evaluate(second, lookup);
  if (left.kind == Value::Kind::absent || right.kind == Value::Kind::absent) {
    return is_comparison(operation) ? Value::of_boolean(true) : Value{};
  }
  return is_comparison(operation) ? Value::of_boolean(compare(expression, left, right))
                                  : calculate(expression, left, right);
}

std::vector<const Expression*> references_in(const Expression& expression) {
  std::vector<const Expression*> found;
  if (expression.kind == Expression::Kind::reference) {
    found.push_back(&expression);
  }
  for (const Expression& operand : expression.operands) {
    for (const Expression* inner : references_in(operand)) {
      found.push_back(inner);
    }
  }
  return found;
}

std::vector<std::string> unmet_terms(const Expression& condition, const Lookup& lookup) {
  if (truth(evaluate(condition, lookup), condition)) {
    return {};
  }
  if (condition.operation == "and" || condition.operation == "or") {
    std::vector<std::string> terms;
    for (const Expression& operand : condition.operands) {
      for (std::string& term : unmet_terms(operand, lookup)) {
        terms.push_back(std::move(term));
      }
    }
    return terms;
  }
  if (is_comparison(condition.operation)) {
    return {unmet_comparison(condition, evaluate(condition.operands[0], lookup),
                             evaluate(condition.operands[1], lookup))};
  }
  return {fmt::format("{} does not hold", source_of(condition))};
}

bool Template::is_constant() const {
  for (const Piece& piece : pieces) {
    if (piece.is_expression) {
      return false;
    }
  }
  return true;
}

const Expression* Template::single_expression() const {
  return pieces.size() == 1 && pieces.front().is_expression ? &pieces.front().expression : nullptr;
}

Template parse_template(std::string_view source) {
  Template parsed;
  std::size_t at = 0;
  while (at < source.size()) {
    const std::size_t open = source.find("${{", at);
    if (open != at) {
      Template::Piece text;
      text.text = std::string(source.substr(at, open - at));
      parsed.pieces.push_back(std::move(text));
    }
    if (open == std::string_view::npos) {
      break;
    }
    const std::size_t begin = open + 3;
    const std::size_t end = source.find("}}", begin);
    if (end == std::string_view::npos) {
      throw ExpressionError(open, "this ${{ has no closing }}");
    }
    Template::Piece piece;
    piece.is_expression = true;
    piece.offset = begin;
    try {
      piece.expression = parse_expression(source.substr(begin, end - begin));
    } catch (const ExpressionError& error) {
      throw ExpressionError(begin + error.offset(), error.what(), error.hint());
    }
    parsed.pieces.push_back(std::move(piece));
    at = end + 2;
  }
  return parsed;
}

}  // namespace mlpipe
