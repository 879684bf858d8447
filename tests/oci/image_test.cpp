#include "pipeline/oci/image.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {
namespace {

const std::string a = "sha256:" + std::string(64, 'a');
const std::string b = "sha256:" + std::string(64, 'b');

TEST(Manifest, OfDockerBecomesOneOfOci) {
  const std::string docker =
      R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{)"
      R"("mediaType":"application/vnd.docker.container.image.v1+json","size":7,"digest":")" +
      a +
      R"("},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":9,"digest":")" +
      b + R"("}]})";
  Manifest manifest = parse_manifest(docker);
  manifest.annotations = {{"z", "1"}, {"k", "v"}};
  EXPECT_EQ(
      to_text(manifest),
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{)"
      R"("mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
          a +
          R"(","size":7},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":")" +
          b + R"(","size":9}],"annotations":{"k":"v","z":"1"}})");
  EXPECT_EQ(to_text(parse_manifest(to_text(manifest))), to_text(manifest));
}

TEST(Manifest, HostileOnesAreRefused) {
  const std::string config = R"({"mediaType":"x","size":1,"digest":")" + a + R"("})";
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("{}"),
        R"({"schemaVersion":1,"config":)" + config + R"(,"layers":[]})",
        R"({"schemaVersion":2,"config":)" + config + R"(,"layers":{}})",
        R"({"schemaVersion":2,"config":)" + config + R"(,"layers":[3]})",
        std::string(R"({"schemaVersion":2,"config":{"size":-1,"digest":")") + a + R"("},"layers":[]})",
        std::string(R"({"schemaVersion":2,"config":{"size":1,"digest":"sha256:../../x"},"layers":[]})"),
        std::string(R"({"schemaVersion":2,"config":{"size":99999999999999999,"digest":")") + a +
            R"("},"layers":[]})"}) {
    EXPECT_THROW(parse_manifest(text), Error) << text;
  }
}

TEST(Index, ThePlatformIsChosen) {
  const std::string index = R"({"manifests":[{"digest":")" + a +
                            R"(","size":1,"platform":{"os":"linux","architecture":"arm64"}},{"digest":")" +
                            b + R"(","size":1,"platform":{"os":"linux","architecture":"amd64"}}]})";
  EXPECT_EQ(choose_platform(index, "amd64").digest.hex(), std::string(64, 'b'));
  try {
    choose_platform(index, "riscv64");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "it has no image for linux/riscv64, but for: linux/arm64, linux/amd64");
  }
}

TEST(Config, GetsOneMoreLayerAndLabels) {
  const std::string config =
      R"({"created":"2025-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{"Cmd":["x"],"Labels":{"l":"1"}},)"
      R"("rootfs":{"type":"layers","diff_ids":[")" +
      a + R"("]},"history":[{"created_by":"base"}]})";
  EXPECT_EQ(
      append_layer(config, Digest::from_hex(std::string(64, 'b')), "mlpipe", {{"m", "digits:7"}}),
      R"({"created":"2025-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{"Cmd":["x"],"Labels":{"l":"1","m":"digits:7"}},)"
      R"("rootfs":{"type":"layers","diff_ids":[")" +
          a + R"(",")" + b +
          R"("]},"history":[{"created_by":"base"},{"created_by":"mlpipe","created":"2025-01-01T00:00:00Z"}]})");
  EXPECT_THROW(append_layer("{}", Digest(), "", {}), Error);
  EXPECT_THROW(append_layer("[", Digest(), "", {}), Error);
}

}  // namespace
}  // namespace mlpipe
