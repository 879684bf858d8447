#pragma once

#include <memory>
#include <string>

#include "tests/cluster/packed_image.hpp"

namespace mlpipe {

// A registry with this build's server.
struct ServerImage {
  TestRegistry registry;
  std::string reference = push_packed(registry, "server", packed_server());
};

// Tests that serve from it. It is there once for all tests of a program: packing it takes seconds.
class ClusterServerTest : public ClusterImageTest {
 public:
  static void TearDownTestSuite() { image().reset(); }

 protected:
  void SetUp() override {
    ClusterImageTest::SetUp();
    if (!IsSkipped() && !image()) {
      image() = std::make_unique<ServerImage>();
    }
  }
  static std::unique_ptr<ServerImage>& image() {
    static std::unique_ptr<ServerImage> made;
    return made;
  }
};

}  // namespace mlpipe
