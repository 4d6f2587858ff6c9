// The proto style gate: the real API has no fault, and a file made of faults
// is reported fault by fault.

#include "tools/lint/proto_style.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"

namespace sallyport {
namespace {

using ::google::protobuf::FileDescriptorSet;
using ::testing::Contains;
using ::testing::HasSubstr;

FileDescriptorSet Read(const std::string& path) {
  FileDescriptorSet set;
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  EXPECT_TRUE(set.ParseFromIstream(&in)) << path;
  return set;
}

class ApiTest : public testing::TestWithParam<const char*> {};

TEST_P(ApiTest, FollowsTheStyle) {
  const std::string service = GetParam();
  const FileDescriptorSet set = Read("proto/sallyport/" + service + "/v1/" +
                                     service + "_descriptors.bin");
  const std::string prefix = "sallyport/" + service + "/v1/";
  int files = 0;
  for (const auto& file : set.file()) {
    files += file.name().rfind(prefix, 0) == 0;
  }
  EXPECT_GT(files, 0) << prefix;
  const std::vector<std::string> faults = ProtoStyleFaults(set, prefix);
  EXPECT_TRUE(faults.empty()) << absl::StrJoin(faults, "\n");
}

INSTANTIATE_TEST_SUITE_P(Services, ApiTest,
                         testing::Values("dialplan", "signaling_edge",
                                         "media_relay", "credential_issuer",
                                         "capf"),
                         [](const auto& info) {
                           return std::string(info.param);
                         });

TEST(ProtoStyleTest, ReportsEachFault) {
  const std::vector<std::string> faults =
      ProtoStyleFaults(Read("tools/lint/testdata/bad_descriptors.bin"), "");
  for (const char* expected : {
           "the package is not the folder",
           "the package does not end in a version",
           "bad_message: is not PascalCase",
           "BadField: is not lower_snake_case",
           "has no comment",
           "the zero is not _UNSPECIFIED",
           "does not begin with COLOUR_",
           "does not end in Service",
           "takes bad_message, not GetThingRequest",
           "has no field name",
           "has no field page_token",
           "has no next_page_token",
           "has no field request_id",
           "has no field update_mask",
           "a timestamp's name ends in _time",
       }) {
    EXPECT_THAT(faults, Contains(HasSubstr(expected)));
  }
}

}  // namespace
}  // namespace sallyport
