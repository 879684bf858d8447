#include "pipeline/model/optimization.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/base/scalar.hpp"
#include "pipeline/model/yaml_values.hpp"

namespace mlpipe {
namespace {

using schema::either;
using schema::integer;
using schema::keys;
using schema::number;
using schema::one_of_keys;
using schema::optional;
using schema::text;

constexpr std::array<std::pair<const char*, Optimizer::Kind>, 5> optimizers = {{
    {"adam", Optimizer::Kind::adam},
    {"adamw", Optimizer::Kind::adamw},
    {"sgd", Optimizer::Kind::sgd},
    {"adadelta", Optimizer::Kind::adadelta},
    {"rmsprop", Optimizer::Kind::rmsprop},
}};
constexpr std::array<std::pair<const char*, Schedule::Kind>, 4> schedules = {{
    {"constant", Schedule::Kind::constant},
    {"step", Schedule::Kind::step},
    {"cosine", Schedule::Kind::cosine},
    {"plateau", Schedule::Kind::plateau},
}};
constexpr double most_epochs = 1'000'000;
constexpr double highest_rate = 1000;
constexpr double adamw_weight_decay = 0.01;

template <typename Table>
auto kind_of(const Table& table, const std::string& word) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const auto& row) { return word == row.first; });
  return found == table.end() ? table.front().second : found->second;
}

template <typename Table, typename Kind>
std::string word_of(const Table& table, Kind kind) {
  return std::find_if(table.begin(), table.end(), [&](const auto& row) { return kind == row.second; })->first;
}

double default_learning_rate(Optimizer::Kind kind) {
  switch (kind) {
    case Optimizer::Kind::sgd:
    case Optimizer::Kind::rmsprop:
      return 0.01;
    case Optimizer::Kind::adadelta:
      return 1;
    default:
      return 0.001;
  }
}

// A word alone, or a mapping of that word to its numbers.
struct Chosen {
  std::string word;
  const YamlNode* numbers;

  const YamlNode* find(const char* key) const { return numbers == nullptr ? nullptr : numbers->find(key); }
};

Chosen chosen(const YamlNode& node) {
  return node.is_scalar() ? Chosen{node.scalar, nullptr}
                          : Chosen{node.entries.front().key, &node.entries.front().value};
}

}  // namespace

Schema optimizer_schema() {
  const auto rate = [](const char* meaning) { return optional("lr", number(meaning, 0, highest_rate)); };
  const auto decay = [](const char* meaning) { return optional("weight-decay", number(meaning, 0, 100)); };
  const char* added =
      "pulls weights towards zero: this many times the weight is added to its gradient, 0 when not given";
  const SchemaKey momentum = optional("momentum", number("0 when not given", 0, 0.9999));
  return either(
      "how the weights are moved",
      {text("with its own defaults", {"adam", "adamw", "sgd", "adadelta", "rmsprop"}),
       one_of_keys(
           "with numbers",
           {optional("adam", keys("Adam", {rate("the learning rate, 0.001 when not given"), decay(added)})),
            optional("adamw",
                     keys("Adam with decoupled weight decay",
                          {rate("the learning rate, 0.001 when not given"),
                           decay("pulls weights towards zero: in each step they lose this many times "
                                 "the learning rate of themselves, 0.01 when not given")})),
            optional("sgd", keys("stochastic gradient descent",
                                 {rate("the learning rate, 0.01 when not given"), momentum,
                                  optional("nesterov", schema::boolean("looks ahead by the momentum")),
                                  decay(added)})),
            optional("adadelta",
                     keys("Adadelta", {rate("the learning rate, 1 when not given"), decay(added)})),
            optional("rmsprop", keys("RMSprop", {rate("the learning rate, 0.01 when not given"), momentum,
                                                 decay(added)}))},
           "optimizer")});
}

Schema schedule_schema() {
  const SchemaKey warmup = optional(
      "warmup",
      number(
          "epochs in which the rate rises from zero in a straight line, 0 when not given; 0.5 is half of one",
          0, most_epochs));
  const auto factor = [](const char* meaning) { return optional("factor", number(meaning, 0, 1)); };
  return either(
      "how the learning rate changes",
      {text("with its own defaults", {"constant", "step", "cosine", "plateau"}),
       one_of_keys(
           "with numbers",
           {optional("constant", keys("stays as it is", {warmup})),
            optional("step",
                     keys("falls in steps",
                          {optional("every", integer("epochs from one step to the next, 10 when not given", 1,
                                                     most_epochs)),
                           factor("what the rate is multiplied by, 0.1 when not given"), warmup})),
            optional("cosine", keys("falls along half a cosine, from after the warm-up to the last epoch",
                                    {optional("least", number("the rate it ends with, 0 when not given", 0,
                                                              highest_rate)),
                                     warmup})),
            optional(
                "plateau",
                keys("falls when the held-out metric (early-stopping.metric) gets no better",
                     {optional("patience",
                               integer("epochs without a better one, 5 when not given", 0, most_epochs)),
                      factor("what the rate is multiplied by then, 0.1 when not given"),
                      optional("least", number("it does not fall below, 0 when not given", 0, highest_rate)),
                      warmup}))},
           "schedule")});
}

Optimizer read_optimizer(const YamlNode* node, Diagnostics& diagnostics) {
  Optimizer optimizer;
  if (node == nullptr) {
    return optimizer;
  }
  const Chosen choice = chosen(*node);
  optimizer.kind = kind_of(optimizers, choice.word);
  optimizer.learning_rate = number_or(choice.find("lr"), default_learning_rate(optimizer.kind));
  optimizer.momentum = number_or(choice.find("momentum"), 0);
  optimizer.weight_decay = number_or(choice.find("weight-decay"),
                                     optimizer.kind == Optimizer::Kind::adamw ? adamw_weight_decay : 0);
  if (const YamlNode* nesterov = choice.find("nesterov")) {
    optimizer.nesterov = as_boolean(*nesterov).value_or(false);
    const YamlNode* momentum = choice.find("momentum");
    if (optimizer.nesterov && optimizer.momentum == 0 &&
        (momentum == nullptr || !holds_expression(*momentum))) {
      diagnostics.add(*nesterov, "nesterov looks ahead by the momentum, and there is none",
                      "write a momentum beside it, for example momentum: 0.9");
    }
  }
  return optimizer;
}

Schedule read_schedule(const YamlNode* node) {
  Schedule schedule;
  if (node == nullptr) {
    return schedule;
  }
  const Chosen choice = chosen(*node);
  schedule.kind = kind_of(schedules, choice.word);
  schedule.warmup = number_or(choice.find("warmup"), schedule.warmup);
  schedule.every = integer_or(choice.find("every"), schedule.every);
  schedule.factor = number_or(choice.find("factor"), schedule.factor);
  schedule.patience = integer_or(choice.find("patience"), schedule.patience);
  schedule.least = number_or(choice.find("least"), schedule.least);
  return schedule;
}

std::string optimizer_name(Optimizer::Kind kind) {
  return word_of(optimizers, kind);
}

std::string schedule_name(Schedule::Kind kind) {
  return word_of(schedules, kind);
}

}  // namespace mlpipe
