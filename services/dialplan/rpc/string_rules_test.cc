#include "services/dialplan/rpc/string_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/dialplan/rpc/resource_kind.h"
#include "services/dialplan/rpc/resource_shape.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The reasons of the faults at `field`.
std::string ReasonsAt(const pb::Resource& resource, const std::string& field) {
  std::string out;
  for (const PlanFault& fault : CheckShape(resource)) {
    if (fault.field == field) absl::StrAppend(&out, fault.reason, " ");
  }
  return out;
}

// Puts `text` into the field and gives the faults there.
std::string Try(pb::Resource& resource, Message& at,
                const FieldDescriptor& field, const std::string& path,
                const std::string& text) {
  const auto* r = at.GetReflection();
  if (field.is_repeated()) {
    r->ClearField(&at, &field);
    r->AddString(&at, &field, text);
    return ReasonsAt(resource, path + "[0]");
  }
  r->SetString(&at, &field, text);
  return ReasonsAt(resource, path);
}

// Every string below `at` has a rule, and what breaks it is refused by path.
int ExpectRulesBelow(pb::Resource& resource, Message& at,
                     const std::string& path) {
  int checked = 0;
  const auto* r = at.GetReflection();
  for (int i = 0; i < at.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *at.GetDescriptor()->field(i);
    std::string here = path + "." + field.name();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field.message_type()->full_name().rfind("google.", 0) == 0) continue;
      Message* inner = nullptr;
      if (field.is_repeated()) {
        inner = r->AddMessage(&at, &field);
        here += "[0]";
      } else {
        inner = r->MutableMessage(&at, &field);
      }
      checked += ExpectRulesBelow(resource, *inner, here);
      r->ClearField(&at, &field);
      continue;
    }
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING ||
        field.name() == "name") {
      continue;
    }
    SCOPED_TRACE(here);
    const StringRule* rule = StringRuleOf(field);
    if (rule == nullptr) {
      ADD_FAILURE() << "has no rule";
      continue;
    }
    const char good = rule->charset == Charset::kHex ? 'a' : '1';
    EXPECT_THAT(
        Try(resource, at, field, here, std::string(rule->max + 1, good)),
        testing::HasSubstr("VALUE_TOO_LONG"));
    EXPECT_THAT(Try(resource, at, field, here, std::string(rule->max, good)),
                testing::Not(testing::HasSubstr("VALUE_TOO_LONG")));
    for (const char* bad : {"1\a1", "1\t", "\x7f", "\xc2\x85"}) {
      EXPECT_THAT(Try(resource, at, field, here, bad),
                  testing::HasSubstr("VALUE_INVALID"));
    }
    const bool for_people =
        rule->charset == Charset::kText || rule->charset == Charset::kLines;
    const auto refuses = [&](const char* text) {
      return Try(resource, at, field, here, text).find("VALUE_INVALID") !=
             std::string::npos;
    };
    EXPECT_EQ(refuses("12345678 \xc3\xa4"), !for_people);
    EXPECT_EQ(refuses("12345678\n9"), rule->charset != Charset::kLines);
    if (field.is_repeated()) {
      EXPECT_THAT(Try(resource, at, field, here, ""),
                  testing::HasSubstr("VALUE_REQUIRED"));
    }
    r->ClearField(&at, &field);
    ++checked;
  }
  return checked;
}

TEST(StringRulesTest, EveryStringOfEveryKindHasARule) {
  int checked = 0;
  for (const ResourceKind& kind : ResourceKinds()) {
    pb::Resource resource;
    Message& inner =
        *resource.GetReflection()->MutableMessage(&resource, kind.field());
    checked += ExpectRulesBelow(resource, inner, std::string(kind.singular));
  }
  EXPECT_GT(checked, 150);
}

TEST(StringRulesTest, CharsetsAreWhatTheySay) {
  const auto npos = std::string_view::npos;
  EXPECT_EQ(FirstForbidden("+49*#A", Charset::kDialable), npos);
  EXPECT_EQ(FirstForbidden("49+", Charset::kDialable), 2u);
  EXPECT_EQ(FirstForbidden("a", Charset::kDialable), 0u);
  EXPECT_EQ(FirstForbidden("12a", Charset::kDigits), 2u);
  EXPECT_EQ(FirstForbidden("09af", Charset::kHex), npos);
  EXPECT_EQ(FirstForbidden("A", Charset::kHex), 0u);
  EXPECT_EQ(FirstForbidden("tenants/t/peers/a-b_c", Charset::kReference), npos);
  EXPECT_EQ(FirstForbidden("tenants/t:x", Charset::kReference), 9u);
  EXPECT_EQ(FirstForbidden("9.!", Charset::kToken), npos);
  EXPECT_EQ(FirstForbidden("9 .", Charset::kToken), 1u);
}

}  // namespace
}  // namespace sallyport::dialplan
