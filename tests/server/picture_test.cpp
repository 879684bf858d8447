#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/base/base64.hpp"
#include "server/protocol/multipart.hpp"
#include "server/protocol/routes.hpp"
#include "tests/server/fakes.hpp"
#include "tests/trainer/image_files.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;
using testing::lying_png_bytes;
using testing::png_bytes;

// 2×2, grey: what the model small takes as it is.
Image small_image() {
  return {{2, 2}, 1, {255, 0, 51, 0}};
}

// Encoded by hand, so that the decoder is not checked by its opposite.
const char* const small_text = "aGVsbG8gd29ybGQ=";

std::string encode_base64(const std::string& bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j > bytes.size() ? '=' : digits[group >> (18U - 6U * j) & 63U];
    }
  }
  return text;
}

std::string form_of(const std::string& parts) {
  return parts + "--edge--\r\n";
}

std::string part(const std::string& disposition, const std::string& content) {
  return "--edge\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n";
}

const std::vector<Header> form = {{"Content-Type", "multipart/form-data; boundary=edge"}};

class Pictures : public ::testing::Test {
 protected:
  explicit Pictures(Model model = small_model(), FakeModel::Function function = first_value_wins)
      : engine_(loader_of(std::move(model), std::move(function))), router_(public_router(engine_, metrics_)) {
    engine_.load("/models/small", "7");
  }

  Response post(const std::string& path, const std::string& body, std::vector<Header> headers = {}) const {
    return ask(router_, {"POST", path, "", std::move(headers), body});
  }
  static std::string error_in(const Response& response) { return Json::parse(response.body).at("error"); }

  Engine engine_;
  Metrics metrics_;
  Router router_;
};

TEST_F(Pictures, AreSpreadOverTheModelsRange) {
  // 255 of 255 is 16 of 16, and 16 % 3 is 1.
  EXPECT_EQ(post("/predict/", png_bytes(small_image())).body,
            R"({"prediction":1,"scores":{"0":0.25,"1":0.5,"2":0.25},"model":"small","version":"7"})");
}

TEST_F(Pictures, ComeAsTheyAreByAFormOrAsDataUrls) {
  const std::string png = png_bytes(small_image());
  const std::string classes =
      R"([{"Class":"1","Score":0.5},{"Class":"0","Score":0.25},{"Class":"2","Score":0.25}])";
  const std::string url = "data:image/png;base64," + encode_base64(png);
  EXPECT_EQ(post("/classify", png).body, classes);
  EXPECT_EQ(post("/classify", png, {{"Content-Type", "image/png"}}).body, classes);
  EXPECT_EQ(post("/classify", form_of(part("name=\"file\"; filename=\"a.png\"", png)), form).body, classes);
  EXPECT_EQ(
      post("/classify",
           form_of(part("name=\"note\"", "hello") + part("name=\"file\"; filename=\"a.png\"", png)), form)
          .body,
      classes);
  EXPECT_EQ(post("/classify", form_of(part("name=\"picture\"", png)), form).body, classes) << "the only part";
  EXPECT_EQ(post("/classify", url).body, classes);
  EXPECT_EQ(post("/classify", R"({"image": ")" + url + "\"}", {{"Content-Type", "application/json"}}).body,
            classes);
  EXPECT_EQ(Json::parse(post("/predict/", url).body).at("prediction"), 1);
}

TEST_F(Pictures, OfOtherSizesAndColoursAreBroughtToTheModels) {
  EXPECT_EQ(
      Json::parse(post("/predict/", testing::jpeg_bytes(testing::plain_image({40, 60}, 255, 255, 255))).body)
          .at("prediction"),
      1);
  EXPECT_EQ(Json::parse(post("/predict/", testing::png_bytes(testing::plain_image({1, 1}, 0, 0, 0))).body)
                .at("prediction"),
            0);
}

TEST_F(Pictures, ThatAreNoneAreRefused) {
  const std::string png = png_bytes(small_image());
  const auto refused = [&](const std::string& body, std::vector<Header> headers = {}) {
    const Response response = post("/classify", body, std::move(headers));
    EXPECT_EQ(response.status, 400) << response.body;
    return error_in(response);
  };
  EXPECT_EQ(refused(""), "body: it is empty, a picture is expected");
  EXPECT_EQ(refused("hello"), "picture: it is neither JPEG nor PNG");
  EXPECT_NE(refused(png.substr(0, png.size() / 2)).find("picture: "), std::string::npos);
  EXPECT_EQ(refused("data:image/png;base64,abc"), "body: what follows the comma is no base64");
  EXPECT_EQ(refused("data:image/png,abcd"), "body: a data URL is expected, data:image/png;base64,…");
  EXPECT_EQ(refused("{}", {{"Content-Type", "application/json"}}),
            R"(image: it is missing, send {"image": "data:image/png;base64,…"})");
  EXPECT_EQ(refused(part("name=\"file\"; filename=\"a.png\"", png), form),
            "body: the form does not end with its boundary");
  EXPECT_EQ(refused(form_of(""), form), "picture: it is empty");
  EXPECT_EQ(refused(form_of(part("name=\"a\"", "1") + part("name=\"b\"", "2")), form),
            "body: the form has no file");
  EXPECT_EQ(
      refused(form_of(part("name=\"a\"; filename=\"a\"", png) + part("name=\"b\"; filename=\"b\"", png)),
              form),
      "body: the form has several files, one is expected");
  EXPECT_EQ(refused("x", {{"Content-Type", "multipart/form-data"}}),
            "Content-Type: the form's boundary is missing or too long");
  EXPECT_EQ(post("/classify", png, {{"Content-Type", "video/mp4"}}).status, 415);
}

// It would fill gigabytes if it were decoded.
TEST_F(Pictures, ABombIsRefusedByItsHeader) {
  const Response response = post("/classify", lying_png_bytes(small_image(), {30000, 30000}));
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(error_in(response).find("it is 30000 pixels high and 30000 wide, more than 16777216 in all"),
            std::string::npos)
      << response.body;
}

Model colour_model() {
  Model model;
  model.name = "colours";
  model.input_shape = {3, 2, 2};
  model.least = 0;
  model.most = 1;
  model.labels = {"red", "green", "blue"};
  return model;
}

// Red of the first pixel, green of the second, blue of the last.
std::vector<float> one_of_each(std::span<const float> planes) {
  return {planes[0], planes[4 + 1], planes[8 + 3]};
}

class ColourPictures : public Pictures {
 protected:
  ColourPictures() : Pictures(colour_model(), one_of_each) {}

  // The scores of red, green and blue by POST /classify, after the other ways have been seen to give the
  // same.
  std::vector<double> scores(const std::string& picture, const std::string& type) {
    const Json classes = Json::parse(post("/classify", picture, {{"Content-Type", type}}).body);
    EXPECT_EQ(
        Json::parse(post("/classify", form_of(part("name=\"file\"; filename=\"a\"", picture)), form).body),
        classes);
    const Json predicted = Json::parse(post("/predict/", picture, {{"Content-Type", type}}).body);
    EXPECT_EQ(Json::parse(post("/predict/", "data:" + type + ";base64," + encode_base64(picture)).body),
              predicted);
    EXPECT_EQ(predicted.at("prediction"), classes.at(0).at("Class"));
    std::vector<double> scores;
    for (const char* label : {"red", "green", "blue"}) {
      const auto same = [label](const Json& each) { return each.at("Class") == label; };
      scores.push_back(std::find_if(classes.begin(), classes.end(), same)->at("Score"));
      EXPECT_EQ(predicted.at("scores").at(label), scores.back());
    }
    return scores;
  }

  static void expect_near(const std::vector<double>& scores, const std::vector<double>& wanted, double off) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(scores.at(i), wanted[i], off) << i;
    }
  }
};

TEST_F(ColourPictures, OfPngGiveEachChannelItsPlane) {
  const Image image{{2, 2}, 3, {255, 9, 9, 9, 102, 9, 9, 9, 9, 9, 9, 51}};
  expect_near(scores(png_bytes(image), "image/png"), {1.0, 0.4, 0.2}, 1e-6);
}

TEST_F(ColourPictures, OfPngWithAlphaToo) {
  const std::string opaque("\xFF\x09\x09\xFF\x09\x66\x09\xFF\x09\x09\x09\xFF\x09\x09\x33\xFF", 16);
  expect_near(scores(testing::rgba_png_bytes({2, 2}, opaque), "image/png"), {1.0, 0.4, 0.2}, 1e-6);
}

TEST_F(ColourPictures, OfJpegAndOfOtherSizes) {
  const Image image = testing::plain_image({40, 60}, 255, 102, 51);
  expect_near(scores(testing::jpeg_bytes(image), "image/jpeg"), {1.0, 0.4, 0.2}, 0.02);
  expect_near(scores(png_bytes(image), "image/png"), {1.0, 0.4, 0.2}, 1e-6);
}

TEST_F(ColourPictures, WithoutColoursHaveThreePlanesOfGrey) {
  const Image grey{{2, 2}, 1, {51, 51, 51, 51}};
  expect_near(scores(png_bytes(grey), "image/png"), {0.2, 0.2, 0.2}, 1e-6);
  expect_near(scores(testing::jpeg_bytes(grey), "image/jpeg"), {0.2, 0.2, 0.2}, 0.02);
}

class PicturesForATable : public Pictures {
 protected:
  PicturesForATable() : Pictures(table_with_colours(Task::classification, {"a", "b"}), as_they_are) {}
};

TEST_F(PicturesForATable, AreRefused) {
  EXPECT_EQ(error_in(post("/classify", png_bytes(small_image()))),
            "the model 'table' takes no pictures, send its values to /predict");
}

TEST(Base64, ReadsWhatIsAndRefusesWhatIsNot) {
  EXPECT_EQ(decode_base64(small_text), "hello world");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("aGVsbG8="), "hello");
  for (const char* text :
       {"a", "ab", "abc", "a===", "ab=c", "ab c", "aGVsbG8\n", "=abc", "ab\xC3\xA4", "====", "abcd===="}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
}

class KServe : public Pictures {};

TEST_F(KServe, PredictsInstances) {
  EXPECT_EQ(post("/v1/models/small:predict", R"({"instances": [[1, 0, 0, 0], [[2, 0], [0, 0]]]})").status,
            400)
      << "mixed shapes";
  EXPECT_EQ(post("/v1/models/small:predict", R"({"instances": [[1, 0, 0, 0], [0, 0, 0, 0]]})").body,
            R"({"predictions":[{"prediction":1,"scores":{"0":0.25,"1":0.5,"2":0.25}},)"
            R"({"prediction":0,"scores":{"0":0.5,"1":0.25,"2":0.25}}]})");
  EXPECT_EQ(error_in(post("/v1/models/small:predict", R"({"instances": [1, 0, 0, 0]})")),
            "instances: it is one example, a list of examples is expected");
  EXPECT_EQ(error_in(post("/v1/models/small:predict", R"({"instances": []})")),
            "instances: a list of examples is expected");
  EXPECT_EQ(error_in(post("/v1/models/small:predict", R"({"inputs": [[1]]})")).substr(0, 6), "inputs");
  EXPECT_EQ(post("/v1/models/large:predict", R"({"instances": [[1, 0, 0, 0]]})").status, 404);
  EXPECT_EQ(post("/v1/models/small", R"({"instances": [[1, 0, 0, 0]]})").status, 405);
}

TEST_F(KServe, NamesItsModels) {
  EXPECT_EQ(ask(router_, {"GET", "/v1/models", "", {}, ""}).body, R"({"models":["small"]})");
  EXPECT_EQ(ask(router_, {"GET", "/v1/models/small", "", {}, ""}).body, R"({"name":"small","ready":true})");
  EXPECT_EQ(ask(router_, {"GET", "/v1/models/large", "", {}, ""}).status, 404);
}

}  // namespace
}  // namespace mlpipe
