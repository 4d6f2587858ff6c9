#include "tools/cli/columns.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;

bool PathExists(const Descriptor* type, const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  for (const std::string& part : parts) {
    if (absl::ascii_isdigit(part[0])) continue;
    if (type == nullptr) return false;
    if (type->FindOneofByName(part) != nullptr) {
      type = nullptr;
      continue;
    }
    const FieldDescriptor* const field = type->FindFieldByName(part);
    if (field == nullptr) return false;
    type = field->message_type();
  }
  return true;
}

TEST(ColumnsTest, EveryColumnIsAFieldOfItsKind) {
  for (const ResourceKind& kind : ResourceKinds()) {
    const std::vector<Column> columns = ColumnsOf(kind);
    EXPECT_FALSE(columns.empty()) << kind.name;
    for (const Column& column : columns) {
      EXPECT_TRUE(PathExists(kind.message, column.second))
          << kind.name << " " << column.second;
    }
  }
}

TEST(ColumnsTest, PlainKindsShowTheirFirstFields) {
  const std::vector<Column> columns = ColumnsOf(*FindKind("partition"));
  ASSERT_GE(columns.size(), 3);
  EXPECT_EQ(columns[0], Column("NAME", "name"));
  EXPECT_EQ(columns[1], Column("DISPLAY NAME", "display_name"));
}

}  // namespace
}  // namespace sallyport::cli
