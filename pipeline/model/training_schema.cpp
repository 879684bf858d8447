#include "pipeline/model/training.hpp"

namespace mlpipe {
namespace {

using schema::either;
using schema::integer;
using schema::keys;
using schema::number;
using schema::optional;
using schema::required;
using schema::text;

constexpr double most_epochs = 1'000'000;
constexpr double most_threads = 1024;
constexpr double largest_size = 1'000'000;
constexpr double most_weight = 1e6;
constexpr double largest_seed = 9'007'199'254'740'992;  // the whole numbers that JSON carries exactly

Schema class_weights_schema() {
  return either("how much an example counts in the loss, by its class",
                {text("the rarer the class in the training part, the more", {"balanced"}),
                 schema::list("in the order of the labels, which are sorted (by value when all are numbers)",
                              number("a weight", 0, most_weight))});
}

Schema early_stopping_schema() {
  return keys(
      "ends the training when the held-out part gets no better",
      {optional("metric",
                text("what it goes by, as do select: best and schedule: plateau; when not given "
                     "accuracy, for a regression loss; others are loss, f1_macro, "
                     "top5_accuracy (classification), roc_auc (binary), mae, mse, r2 (regression)")),
       optional("patience", integer("epochs without a better one, 5 when not given", 1, most_epochs)),
       optional("min-delta", number("what a better one is better by at least, 0 when not given", 0))});
}

Schema make_training_schema() {
  return keys(
      "a network, trained on data by the trainer that comes with mlpipe",
      {required("data", training_data_schema()), required("network", network_schema()),
       optional("optimizer", optimizer_schema()),
       optional("epochs",
                integer("how often the training goes through the data, 10 when not given", 1, most_epochs)),
       optional("batch",
                integer("examples in one step of the optimizer, 32 when not given", 1, largest_size)),
       optional("seed",
                integer("decides first weights, order and dropout, 0 when not given", 0, largest_seed)),
       optional("threads", integer("threads to compute with; when not given all cores, or one for a "
                                   "small network; the result depends "
                                   "on it in its last digits",
                                   1, most_threads)),
       optional("task", text("what is learned: one label of several (when not given), the second of two "
                             "labels, numbers, or margins between labels (a linear support vector machine "
                             "when the network is [linear: auto])",
                             task_names())),
       optional("loss", text("regression: what is minimised, the mean squared error (when not given), the "
                             "mean absolute error, or Huber's, of targets brought to deviation 1",
                             {"mse", "mae", "huber"})),
       optional("class-weights", class_weights_schema()),
       optional("label-smoothing", number("classification, binary: the share of the truth that is spread "
                                          "over all labels, 0 when not given",
                                          0, 0.99)),
       optional("schedule", schedule_schema()),
       optional("clip", number("the largest norm of the gradient: a longer one is shortened to it", 1e-12)),
       optional("early-stopping", early_stopping_schema()),
       optional("select", text("the epoch whose weights are the model: the last (when not given), or the one "
                               "with the best metric (early-stopping.metric)",
                               {"last", "best"})),
       optional("precision",
                text("of products and sums: fp32 (when not given) or bf16, which is faster where "
                     "the processor has it; the weights stay FP32",
                     {"fp32", "bf16"}, {"fp16"})),
       optional("device", text("auto (when not given: a GPU where there is one), cpu, cuda or cuda:N")),
       optional(
           "checkpoint",
           keys("when a checkpoint is written, besides at SIGTERM, into $MLPIPE_CHECKPOINT_DIR, from "
                "which an interrupted training goes on",
                {optional("every",
                          schema::scalar("a number of epochs, 1 when not given, or a time such as 60s"))}))});
}

}  // namespace

const Schema& training_schema() {
  static const Schema schema = make_training_schema();
  return schema;
}

}  // namespace mlpipe
