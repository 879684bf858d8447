#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {
namespace {

const Digest a = digest_of("a");
const Digest b = digest_of("b");

TEST(RemoteRecord, IsReadBack) {
  const RemoteRecord record{"first\nsecond\n", {{a, 1}, {b, 0}}};
  const RemoteRecord again = parse_record(to_text(record));
  EXPECT_EQ(again.rows, record.rows);
  EXPECT_EQ(again.blobs, record.blobs);
  for (const char* text : {"", "{", "{}", R"({"mlpipe-record":2,"rows":"","blobs":[]})",
                           R"({"mlpipe-record":1,"rows":1,"blobs":[]})",
                           R"({"mlpipe-record":1,"rows":"","blobs":[{"digest":"../x","size":1}]})",
                           R"({"mlpipe-record":1,"rows":"","blobs":[7]})"}) {
    EXPECT_THROW(parse_record(text), Error) << text;
  }
}

TEST(RemoteRecord, TwoMachinesResultsAreKept) {
  const RemoteRecord both =
      merged({"format\nrecipe\nmine\n", {{a, 1}}}, {"format\nrecipe\nyours\n", {{a, 1}, {b, 2}}});
  EXPECT_EQ(both.rows, "format\nrecipe\nmine\nyours\n");
  EXPECT_EQ(both.blobs.size(), 2U);
  const RemoteRecord same = merged(both, {"format\nrecipe\nmine\n", {{a, 1}}});
  EXPECT_EQ(to_text(same), to_text(both));
  EXPECT_EQ(merged({"other format\nx\n", {{a, 1}}}, {"format\ny\n", {{b, 2}}}).rows, "format\ny\n");
}

TEST(Remote, UrlsAreCheckedBeforeAnythingIsSent) {
  for (const char* url :
       {"ftp://x", "oci://", "oci://r.example/Team", "oci://r.example/team:tag", "oci://r.example/a?b"}) {
    EXPECT_THROW(open_remote(url, {}), UsageError) << url;
  }
  const Environment aws = {{"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "secret"}};
  EXPECT_NO_THROW(open_remote("s3://bucket/a/b/", aws));
  EXPECT_NO_THROW(open_remote("s3://bucket", aws));
  for (const char* url :
       {"s3://", "s3:///x", "s3://bucket/../x", "s3://bucket/a b", "s3://bucket/a?b", "s3://bucket//b"}) {
    EXPECT_THROW(open_remote(url, aws), UsageError) << url;
  }
  EXPECT_THROW(open_remote("s3://bucket/a", {}), UsageError);
}

}  // namespace
}  // namespace mlpipe
