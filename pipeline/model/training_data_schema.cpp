#include "pipeline/model/training_data.hpp"

namespace mlpipe {
namespace {

using schema::either;
using schema::integer;
using schema::keys;
using schema::number;
using schema::optional;
using schema::required;
using schema::text;

constexpr double largest_size = 1'000'000;
constexpr double largest_seed = 9'007'199'254'740'992;  // the whole numbers that JSON carries exactly

constexpr double largest_shift = 1024;
constexpr double most_workers = 256;
constexpr double most_skipped = 1e12;

Schema idx_schema() {
  return keys("files in the format of MNIST's (IDX)",
              {required("images", text("the file of the examples")),
               required("labels", text("the file of the labels")),
               optional("test-images", text("the file of the held-out examples; then nothing is split off")),
               optional("test-labels", text("the file of their labels"))});
}

Schema arrays_schema(const char* meaning) {
  return either(meaning,
                {text("the file; its arrays are x_train, y_train and, where it has them, x_test, y_test"),
                 keys("the file and the names of its arrays",
                      {required("file", text("the file")),
                       optional("images", text("the examples; x_train when not given")),
                       optional("labels", text("their labels; y_train when not given")),
                       optional("test-images", text("the held-out examples; x_test when not given")),
                       optional("test-labels", text("their labels; y_test when not given"))})});
}

// Examples that may come with held-out ones of their own.
Schema parts_schema(const char* meaning, const char* train, const char* test) {
  return either(meaning, {text(train), keys("with held-out examples of their own; then nothing is split off",
                                            {required("train", text(train)), required("test", text(test))})});
}

Schema columns_schema(const char* meaning) {
  return schema::list(meaning, text("a column"));
}

Schema split_schema() {
  return keys(
      "what is held out",
      {optional("test", number("the share that is held out, 0.2 when not given", 0.001, 0.95)),
       optional("seed", integer("decides which examples those are, 0 when not given", 0, largest_seed)),
       optional("stratify", schema::boolean("whether each label keeps its share; true when not given, and "
                                            "false for regression")),
       optional("by", text("csv: instead of all that, a column that says `train` or `test`"))});
}

Schema augment_schema() {
  return keys("random changes to the images of the training part, others in each epoch",
              {optional("flip", text("mirrors half of them, left to right, upside down, or each of both",
                                     {"horizontal", "vertical", "both"})),
               optional("crop", integer("moves them by up to so many pixels each way; what comes in is zero",
                                        1, largest_shift))});
}

std::vector<SchemaKey> source_keys() {
  return {
      optional("csv", parts_schema("a file of comma-separated values; its first row names the columns",
                                   "the file", "the file of the held-out examples")),
      optional("idx", idx_schema()),
      optional("npz", arrays_schema("an archive of NumPy arrays; what is not compressed in it may be "
                                    "larger than the memory at no cost")),
      optional("safetensors", arrays_schema("a file of tensors in the safetensors format")),
      optional("folder", parts_schema("a folder that holds a folder of JPEG and PNG images for each label",
                                      "the folder", "the folder of the held-out examples"))};
}

std::vector<SchemaKey> table_keys() {
  return {optional("target", either("csv: the column that holds the label",
                                    {text("the column"),
                                     columns_schema("for regression several, which must be numbers")})),
          optional("drop", columns_schema("csv: columns that are not used")),
          optional("categorical",
                   columns_schema("csv: columns of numbers that stand for categories; columns of words do "
                                  "anyway. A category becomes one input of the network, 1 or 0")),
          optional("missing", text("csv: what becomes of empty fields, and of NA and NaN: the mean of the "
                                   "training part, zero, or the example is left out; when not given they are "
                                   "an error. A missing category counts as unknown",
                                   {"mean", "zero", "drop"}))};
}

std::vector<SchemaKey> image_keys() {
  return {optional("resize", schema::list("folder: [height, width] that all images are brought to",
                                          integer("a size", 1, largest_size))),
          optional("channels", text("folder: 3 for colours (when not given), 1 for grey", {"1", "3"})),
          optional("skip-bad", integer("folder: so many files that do not decode are left out; 0 when not "
                                       "given: one is an error",
                                       0, most_skipped)),
          optional("augment", augment_schema())};
}

std::vector<SchemaKey> common_keys() {
  return {
      optional("shape", schema::list("the shape of one example: [values], or [channels, height, width]",
                                     integer("a size", 1, largest_size))),
      optional("split", split_schema()),
      optional("scale", text("how values are scaled, fitted on the training part: to mean 0 and deviation 1 "
                             "(tables, when not given), to 0 … 1 (images, when not given), or not",
                             {"standardize", "minmax", "none"})),
      optional("per-channel", schema::boolean("whether each channel of an image is scaled by itself; "
                                              "false when not given")),
      optional("workers", integer("threads that read, decode and augment batches ahead; when not given as "
                                  "many as the data needs; they change nothing but the time",
                                  0, most_workers)),
      optional("memory", text("how much values may take up, such as 4Gi, before they are kept in a file "
                              "that goes away with the training; a quarter of the machine's when not "
                              "given"))};
}

Schema make_training_data_schema() {
  std::vector<SchemaKey> all;
  for (auto part : {source_keys(), table_keys(), image_keys(), common_keys()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return either("the examples",
                {text("an .npz or .safetensors file with x_train, y_train and, where it has them, x_test, "
                      "y_test"),
                 keys("the examples, from one of csv, idx, npz, safetensors and folder", std::move(all))});
}

}  // namespace

const Schema& training_data_schema() {
  static const Schema schema = make_training_data_schema();
  return schema;
}

}  // namespace mlpipe
