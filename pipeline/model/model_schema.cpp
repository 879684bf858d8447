#include "pipeline/model/model.hpp"

namespace mlpipe {
namespace {

Schema make_model_schema() {
  using namespace schema;
  constexpr double largest_size = 1U << 28U;
  const Schema numbers = list("numbers", number("a number"));
  const Schema range =
      keys("images: the range of a pixel in the training data",
           {required("least", number("the smallest")), required("most", number("the largest"))});
  const Schema column =
      keys("a column of the table",
           {required("name", text("its name")), optional("least", number("the smallest value in training")),
            optional("most", number("the largest value in training")),
            optional("categories",
                     list("instead of a range: the texts that it may hold. As a raw value a category is its "
                          "index; the network takes one value for each, 1 for the one that is there",
                          text("a category")))});
  const Schema scaling = keys(
      "what is done to an example before the network: categories become one value each, in the order of the "
      "columns, then (value - offset) / divisor",
      {required("scale", text("what the offsets and divisors were fitted to: `standardize` to mean 0 and "
                              "deviation 1, `minmax` to 0 … 1",
                              {"none", "standardize", "minmax"})),
       optional("offset", list("one for all values, for each channel of an image, or for each encoded value",
                               number("a number"))),
       optional("divisor", list("as many, none of them zero", number("a number")))});
  const Schema target = keys("regression: what training took off the targets and divided them by",
                             {required("offset", numbers), required("divisor", numbers)});
  return keys(
      "a model",
      {required("mlpipe-model", integer("the format of this file, 1", 1)),
       optional("name", text("the model's name; `model` when not given")),
       required("task", text("what it does; it says what the network's last values are", task_names())),
       required("input",
                keys("what a client sends for one example",
                     {optional("name", text("the input's name; `input` when not given")),
                      optional("dtype", text("the type of its values", {"FP32"})),
                      required("shape", list("its shape: [values], [channels, length] or [channels, height, "
                                             "width]",
                                             integer("a size", 1, largest_size)))})),
       optional("output", keys("what it answers for one example",
                               {optional("name", text("the output's name", {"scores"})),
                                optional("dtype", text("the type of its values", {"FP32"})),
                                required("shape", list("one size, the number of labels",
                                                       integer("a size", 1, largest_size)))})),
       optional("columns", list("tables: as many as an example has values", column)),
       optional("pixels", range),
       required("labels", list("the labels, in the order of the scores; regression: the names of the targets",
                               text("a label"))),
       optional("target", target), optional("preprocessing", scaling), optional("network", layers_schema()),
       optional("format", text("what the weights' file holds; when not given its name says so: "
                               ".safetensors, .pt, .pt2",
                               format_names())),
       required("weights",
                keys("the weights",
                     {optional("file", text("a file of this folder, weights.safetensors when not given. One "
                                            "that is not safetensors holds the network too: it takes FP32 "
                                            "[batch, input…] and gives what `task` says")),
                      optional("sha256", text("its SHA-256; a file with another one is refused"))}))});
}

}  // namespace

const Schema& model_schema() {
  static const Schema schema = make_model_schema();
  return schema;
}

}  // namespace mlpipe
