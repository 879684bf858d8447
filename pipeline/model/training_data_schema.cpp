#include "pipeline/model/training_data.hpp"

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

constexpr double largest_size = 1'000'000;
constexpr double largest_seed = 9'007'199'254'740'992;  // the whole numbers that JSON carries exactly

Schema make_training_data_schema() {
  const Schema idx =
      keys("files in the format of MNIST's (IDX)",
           {required("images", text("the file of the examples")),
            required("labels", text("the file of the labels")),
            optional("test-images", text("the file of the held-out examples; then nothing is split off")),
            optional("test-labels", text("the file of their labels"))});
  const Schema npz =
      either("an archive of NumPy arrays",
             {text("the file; its arrays are x_train, y_train and, where it has them, x_test, y_test"),
              keys("the file and the names of its arrays",
                   {required("file", text("the file")),
                    optional("images", text("the examples; x_train when not given")),
                    optional("labels", text("their labels; y_train when not given")),
                    optional("test-images", text("the held-out examples; x_test when not given")),
                    optional("test-labels", text("their labels; y_test when not given"))})});
  const Schema split = keys(
      "what is held out: by label, so that each keeps its share",
      {optional("test", number("the share that is held out, 0.2 when not given", 0.001, 0.95)),
       optional("seed", integer("decides which examples those are, 0 when not given", 0, largest_seed))});
  return either(
      "the examples",
      {text("an .npz file with x_train, y_train and, where it has them, x_test, y_test"),
       keys(
           "the examples, from one of csv, idx and npz",
           {optional("csv", text("a file of comma-separated values; its first row names the columns")),
            optional("idx", idx), optional("npz", npz),
            optional("target", text("csv: the column that holds the label; all others are numbers")),
            optional("shape", schema::list("the shape of one example: [values], or [channels, height, width]",
                                           integer("a size", 1, largest_size))),
            optional("split", split),
            optional("scale",
                     text("how values are scaled, fitted on the training part: to mean 0 and deviation 1 "
                          "(tables, when not given), to 0 … 1 (images, when not given), or not",
                          {"standardize", "minmax", "none"})),
            later("folder", "a folder of images for each class"), later("safetensors", "a file of tensors"),
            later("augment", "random changes to images"), later("resize", "images brought to one size"),
            later("skip-bad", "how many examples may be unreadable")})});
}

}  // namespace

const Schema& training_data_schema() {
  static const Schema schema = make_training_data_schema();
  return schema;
}

}  // namespace mlpipe
