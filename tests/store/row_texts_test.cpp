#include "pipeline/store/row_texts.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

TEST(RowTexts, AreReadBack) {
  const std::vector<Output> outputs = {{"a \"name\"", true, digest_of("x"), 7},
                                       {"b", false, digest_of("y"), 0}};
  EXPECT_EQ(parse_outputs(outputs_text(outputs)), outputs);
  const std::map<std::string, double> metrics = {{"accuracy", 0.1 + 0.2}, {"loss", -1e-300}};
  EXPECT_EQ(parse_metrics(metrics_text(metrics)), metrics);
  const std::map<std::string, std::string> params = {{"lr", "0.001"}, {"name", "ä\n"}};
  EXPECT_EQ(parse_params(params_text(params)), params);
}

TEST(RowTexts, DamagedOnesAreRefused) {
  const std::string digest = digest_of("x").hex();
  for (const std::string& size :
       {std::string("1e300"), std::string("-1"), std::string("99999999999999999999"), std::string("1.5"),
        std::string("true"), std::string("\"1\"")}) {
    EXPECT_THROW(
        parse_outputs(R"([{"name":"a","folder":true,"digest":")" + digest + R"(","bytes":)" + size + "}]"),
        Error)
        << size;
  }
  for (const std::string& text : {std::string(""), std::string("["), std::string("{}{}"), std::string("[1]"),
                                  std::string(R"([{"name":"a","folder":true,"digest":"ab","bytes":1}])")}) {
    EXPECT_THROW(parse_outputs(text), Error) << text;
  }
  EXPECT_THROW(parse_metrics(R"({"a":"1"})"), Error);
  EXPECT_THROW(parse_metrics("7"), Error);
  EXPECT_THROW(parse_params(R"({"a":1})"), Error);
}

}  // namespace
}  // namespace mlpipe
