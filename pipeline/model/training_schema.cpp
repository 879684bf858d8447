#include "pipeline/model/training.hpp"

namespace mlpipe {
namespace {

using schema::either;
using schema::integer;
using schema::keys;
using schema::later;
using schema::number;
using schema::optional;
using schema::required;
using schema::text;

constexpr double most_epochs = 1'000'000;
constexpr double most_threads = 1024;
constexpr double largest_size = 1'000'000;
constexpr double largest_seed = 9'007'199'254'740'992;  // the whole numbers that JSON carries exactly

Schema optimizer_schema() {
  const auto rate = [](const char* meaning) { return optional("lr", number(meaning, 0, 1000)); };
  return either("how the weights are moved",
                {text("with its own defaults", {"adam", "adamw", "sgd", "adadelta"}),
                 schema::one_of_keys(
                     "with numbers",
                     {optional("adam", keys("Adam", {rate("the learning rate, 0.001 when not given"),
                                                     later("weight-decay", "pulls weights towards zero")})),
                      optional("adamw", keys("Adam with decoupled weight decay of 0.01",
                                             {rate("the learning rate, 0.001 when not given"),
                                              later("weight-decay", "pulls weights towards zero")})),
                      optional("sgd", keys("stochastic gradient descent",
                                           {rate("the learning rate, 0.01 when not given"),
                                            optional("momentum", number("0 when not given", 0, 0.9999)),
                                            later("nesterov", "looks ahead by the momentum"),
                                            later("weight-decay", "pulls weights towards zero")})),
                      optional("adadelta", keys("Adadelta", {rate("the learning rate, 1 when not given")})),
                      later("rmsprop", "RMSprop")},
                     "optimizer")});
}

Schema make_training_schema() {
  return keys("a network, trained on data by the trainer that comes with mlpipe",
              {required("data", training_data_schema()), required("network", network_schema()),
               optional("optimizer", optimizer_schema()),
               optional("epochs", integer("how often the training goes through the data, 10 when not given",
                                          1, most_epochs)),
               optional("batch",
                        integer("examples in one step of the optimizer, 32 when not given", 1, largest_size)),
               optional("seed", integer("decides first weights, order and dropout, 0 when not given", 0,
                                        largest_seed)),
               optional("threads", integer("threads to compute with; when not given all cores, or one for a "
                                           "small network; the result depends "
                                           "on it in its last digits",
                                           1, most_threads)),
               later("task", "what is learned: classification, for now"), later("loss", "what is minimised"),
               later("schedule", "how the learning rate changes"), later("clip", "limits the gradient"),
               later("early-stopping", "ends when nothing improves"), later("precision", "mixed precision"),
               later("device", "cpu or cuda"), later("checkpoint", "how often a checkpoint is written"),
               later("select", "which epoch is kept")});
}

}  // namespace

const Schema& training_schema() {
  static const Schema schema = make_training_schema();
  return schema;
}

}  // namespace mlpipe
