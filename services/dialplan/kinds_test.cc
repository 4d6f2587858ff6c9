// Every kind of resource through the same mill, over real gRPC: what the
// standard methods promise holds for all kinds alike.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "grpcpp/impl/client_unary_call.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/process_fixture.h"
#include "services/dialplan/rpc/resource_kind.h"

namespace sallyport::dialplan {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageLite;
using google::protobuf::TextFormat;
using google::protobuf::util::MessageDifferencer;
using MessagePtr = std::unique_ptr<Message>;

// One resource of tenant t; '$' stands for "tenants/t".
struct Sample {
  const char* kind;
  const char* id;
  const char* body;
  bool referenced;  // by another one of these
};

// In an order in which each can be created. The first of each kind goes
// through the mill.
constexpr Sample kSamples[] = {
    {"tenant", "t", "domains: 't.test'", true},
    {"dial_plan", "d",
     "number_of_digits_in_extension: 4 security_mode: SECURITY_MODE_SECURED",
     true},
    {"dial_plan", "clear", "number_of_digits_in_extension: 4", true},
    {"trunk_security_profile", "ts",
     "device_security_mode: DEVICE_SECURITY_MODE_ENCRYPTED "
     "x509_subject_names: 'trunk.t.test'",
     true},
    {"phone_security_profile", "ps", "phone_type: 'Universal'", true},
    {"server_group", "g", "members { host: 'a.t.test' weight: 1 }", true},
    {"dialling_restriction", "r",
     "allowed_toll_classes: TOLL_CLASS_LOCAL "
     "rules { number_mask: '900!' comment: 'premium' }",
     true},
    {"sip_profile", "sp",
     "options_monitoring { enabled: true } rel1xx: REL1XX_DISABLED "
     "long_requests: LONG_REQUESTS_UDP",
     true},
    {"sip_certificate", "cert", "subject_name: 'vm.t.test'", true},
    {"phone_system", "sys", "display_name: 'Headquarters'", true},
    {"peer", "gw",
     "kind: PEER_KIND_IP_GATEWAY fqdn: 'gw.t.test' outcalls_allowed: true "
     "dial_plan: '$/dialPlans/d' "
     "trunk_security_profile: '$/trunkSecurityProfiles/ts' "
     "sip_profile: '$/sipProfiles/sp'",
     true},
    {"tls_context", "ctx",
     "configured { peers: '$/peers/gw' trust_store: 'cup-trust' }", false},
    {"peer", "vm",
     "kind: PEER_KIND_VOICEMAIL_SERVER server_group: '$/serverGroups/g' "
     "fqdn: 'vm.t.test' dial_plan: '$/dialPlans/clear'",
     true},
    {"partition", "p", "", true},
    {"calling_search_space", "c", "partitions: '$/partitions/p'", true},
    {"user", "u",
     "username: 'alice' dial_plan: '$/dialPlans/clear' "
     "dialling_restriction: '$/diallingRestrictions/r'",
     true},
    {"line", "l",
     "directory_number: '1001' users: '$/users/u' "
     "forward_all { number: '5000' "
     "  calling_search_space: '$/callingSearchSpaces/c' }",
     true},
    {"phone", "ph",
     "device_name: 'SEP001122334455' dial_plan: '$/dialPlans/clear' "
     "phone_security_profile: '$/phoneSecurityProfiles/ps' lines: '$/lines/l'",
     false},
    {"route_list", "rl", "members { peer: '$/peers/gw' }", true},
    {"route_pattern", "rp",
     "pattern: '9.!' partition: '$/partitions/p' route_list: '$/routeLists/rl'",
     false},
    {"translation_pattern", "tp",
     "pattern: '8XXX' partition: '$/partitions/p' "
     "calling_search_space: '$/callingSearchSpaces/c' "
     "called_party { transform_mask: '1XXX' }",
     false},
    {"called_party_transformation", "ct",
     "pattern: '1XXX' partition: '$/partitions/p'", false},
    {"calling_party_transformation", "ct",
     "pattern: '1XXX' partition: '$/partitions/p'", false},
    {"line_group", "lg",
     "lines: '$/lines/l' algorithm: HUNT_ALGORITHM_TOP_DOWN", true},
    {"hunt_list", "hl", "line_groups: '$/lineGroups/lg'", true},
    {"hunt_pilot", "hp",
     "pattern: '5000' partition: '$/partitions/p' hunt_list: '$/huntLists/hl'",
     false},
    {"voicemail_pilot", "vp",
     "number: '5000' calling_search_space: '$/callingSearchSpaces/c'", true},
    {"voicemail_profile", "vf", "voicemail_pilot: '$/voicemailPilots/vp'",
     true},
    {"line", "l2",
     "directory_number: '1002' voicemail_profile: '$/voicemailProfiles/vf'",
     false},
    {"message_waiting_number", "on",
     "number: '8000' partition: '$/partitions/p' "
     "indicator: MESSAGE_WAITING_INDICATOR_ON",
     true},
    {"voicemail_port_group", "pg",
     "peer: '$/peers/vm' integration: VOICEMAIL_INTEGRATION_SIP "
     "line_group: '$/lineGroups/lg' message_waiting_on_number: '8000' "
     "sip_certificate: '$/sipCertificates/cert' "
     "phone_system: '$/phoneSystems/sys'",
     false},
};

std::vector<Sample> OneOfEach() {
  std::vector<Sample> out;
  for (const Sample& sample : kSamples) {
    if (std::none_of(out.begin(), out.end(), [&](const Sample& s) {
          return std::string_view(s.kind) == sample.kind;
        })) {
      out.push_back(sample);
    }
  }
  return out;
}

class KindsTest : public DialplanTest {
 protected:
  void SetUp() override {
    DialplanTest::SetUp();
    ann_channel_ = ChannelOf("operator/ann");
  }

  static const google::protobuf::MethodDescriptor& Method(
      const std::string& name) {
    return *pb::GetPeerRequest::descriptor()
                ->file()
                ->pool()
                ->FindServiceByName("sallyport.dialplan.v1.DialplanService")
                ->FindMethodByName(name);
  }
  static MessagePtr New(const google::protobuf::Descriptor* type) {
    return MessagePtr(google::protobuf::MessageFactory::generated_factory()
                          ->GetPrototype(type)
                          ->New());
  }

  // Calls a method by name; `request` in text form. The answer is in last_.
  absl::Status Rpc(const std::string& method, const std::string& request,
                   grpc::ChannelInterface* channel = nullptr) {
    const auto& descriptor = Method(method);
    const MessagePtr in = New(descriptor.input_type());
    EXPECT_TRUE(TextFormat::ParseFromString(request, in.get())) << request;
    last_ = New(descriptor.output_type());
    const std::string path =
        absl::StrCat("/sallyport.dialplan.v1.DialplanService/", method);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    return FromGrpc(grpc::internal::BlockingUnaryCall<MessageLite, MessageLite>(
        channel == nullptr ? ann_channel_.get() : channel,
        grpc::internal::RpcMethod(path.c_str(),
                                  grpc::internal::RpcMethod::NORMAL_RPC),
        &context, *in, last_.get()));
  }

  static std::string Body(const Sample& s) {
    return absl::StrReplaceAll(s.body, {{"$", "tenants/t"}});
  }
  static std::string Name(const Sample& s, const std::string& tenant = "t") {
    const std::string_view kind = s.kind;
    return kind == "tenant" ? "tenants/" + tenant
                            : KindOf(kind).Prefix("tenants/" + tenant) + s.id;
  }
  static std::string Parent(const Sample& s, const std::string& tenant = "t") {
    return std::string_view(s.kind) == "tenant"
               ? ""
               : absl::StrCat("parent: 'tenants/", tenant, "' ");
  }
  absl::Status Create(const Sample& s, const std::string& id,
                      const std::string& more = "",
                      const std::string& tenant = "t",
                      grpc::ChannelInterface* channel = nullptr) {
    return Rpc("Create" + KindOf(s.kind).TypeName(),
               absl::StrCat(Parent(s, tenant), s.kind, " { ", Body(s), " } ",
                            s.kind, "_id: '", id, "' ", more),
               channel);
  }
  absl::Status Get(const Sample& s, const std::string& name,
                   grpc::ChannelInterface* channel = nullptr) {
    return Rpc("Get" + KindOf(s.kind).TypeName(),
               absl::StrCat("name: '", name, "'"), channel);
  }
  absl::Status Update(const Sample& s, const std::string& fields,
                      const std::string& more) {
    return Rpc(
        "Update" + KindOf(s.kind).TypeName(),
        absl::StrCat(s.kind, " { name: '", Name(s), "' ", fields, " } ", more));
  }
  absl::Status Delete(const Sample& s, const std::string& more = "",
                      grpc::ChannelInterface* channel = nullptr) {
    return Rpc("Delete" + KindOf(s.kind).TypeName(),
               absl::StrCat("name: '", Name(s), "' ", more), channel);
  }
  absl::Status List(const Sample& s, const std::string& more,
                    grpc::ChannelInterface* channel = nullptr) {
    return Rpc("List" + KindOf(s.kind).TypeNames(),
               absl::StrCat(Parent(s), more), channel);
  }

  // Of the last answer.
  std::string Last(const char* field) { return GetString(*last_, field); }
  std::vector<std::string> ListedNames(const Sample& s) {
    std::vector<std::string> out;
    const FieldDescriptor& items = FieldOf(*last_, KindOf(s.kind).plural);
    for (int i = 0; i < last_->GetReflection()->FieldSize(*last_, &items);
         ++i) {
      out.push_back(GetString(
          last_->GetReflection()->GetRepeatedMessage(*last_, &items, i),
          "name"));
    }
    return out;
  }

  void CreateAll() {
    for (const Sample& s : kSamples) {
      ASSERT_THAT(Create(s, s.id), IsOk()) << s.kind << " " << s.id;
    }
  }

  std::shared_ptr<grpc::Channel> ann_channel_;
  MessagePtr last_;
};

std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> out;
  for (const FieldViolation& v : FieldViolationsOf(status)) {
    out.push_back(v.field);
  }
  return out;
}

TEST_F(KindsTest, AllTwentyEight) { EXPECT_EQ(OneOfEach().size(), 28u); }

TEST_F(KindsTest, CreateAndGet) {
  for (const Sample& s : kSamples) {
    SCOPED_TRACE(s.kind);
    // Nothing is stored by a check.
    ASSERT_THAT(Create(s, s.id, "validate_only: true"), IsOk());
    EXPECT_EQ(Last("etag"), "");
    EXPECT_THAT(Get(s, Name(s)), HasReason("RESOURCE_NOT_FOUND"));
    ASSERT_THAT(Create(s, s.id), IsOk());
    const MessagePtr created = std::move(last_);
    EXPECT_EQ(GetString(*created, "name"), Name(s));
    EXPECT_NE(GetString(*created, "etag"), "");
    ASSERT_THAT(Get(s, Name(s)), IsOk());
    EXPECT_TRUE(MessageDifferencer::Equals(*created, *last_));
    // What was written is there, whatever else was filled in.
    const MessagePtr written = New(created->GetDescriptor());
    ASSERT_TRUE(TextFormat::ParseFromString(Body(s), written.get()));
    MessageDifferencer part;
    part.set_scope(MessageDifferencer::PARTIAL);
    EXPECT_TRUE(part.Compare(*written, *last_)) << last_->DebugString();

    EXPECT_THAT(Create(s, s.id), HasReason("RESOURCE_EXISTS"));
    EXPECT_THAT(Create(s, "Not An Id"), HasReason("NAME_INVALID"));
    EXPECT_THAT(Get(s, Name(s) + "-none"), HasReason("RESOURCE_NOT_FOUND"));
    EXPECT_THAT(Get(s, "tenants/t/elsewhere/x"), HasReason("NAME_INVALID"));
  }
}

TEST_F(KindsTest, ListPagesAndFilters) {
  CreateAll();
  // A second tenant, so that there is a second page of those too.
  MakeTenant("u");
  for (const Sample& s : OneOfEach()) {
    SCOPED_TRACE(s.kind);
    ASSERT_THAT(List(s, ""), IsOk());
    const std::vector<std::string> all = ListedNames(s);
    EXPECT_THAT(all, testing::Contains(Name(s)));
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
    ASSERT_THAT(List(s, absl::StrCat("filter: 'name = \"", Name(s), "\"'")),
                IsOk());
    EXPECT_THAT(ListedNames(s), testing::ElementsAre(Name(s)));
    ASSERT_THAT(List(s, "filter: 'display_name = \"nobody\"'"), IsOk());
    EXPECT_THAT(ListedNames(s), testing::IsEmpty());
    EXPECT_THAT(List(s, "filter: 'no_such_field = 1'"),
                HasReason("FILTER_INVALID"));
    EXPECT_THAT(List(s, "page_size: 1001"), HasReason("VALUE_OUT_OF_RANGE"));
    ASSERT_THAT(List(s, "page_size: 1"), IsOk());
    EXPECT_EQ(ListedNames(s).size(), 1u);
    std::string token = Last("next_page_token");
    EXPECT_EQ(token.empty(), all.size() == 1);
    if (!token.empty()) {
      ASSERT_THAT(
          List(s, absl::StrCat("page_size: 1 page_token: '", token, "'")),
          IsOk());
      EXPECT_THAT(ListedNames(s), testing::ElementsAre(all[1]));
    } else {
      token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    }
    token[7] = token[7] == 'Q' ? 'R' : 'Q';
    EXPECT_THAT(List(s, absl::StrCat("page_token: '", token, "'")),
                HasReason("PAGE_TOKEN_INVALID"));
  }
}

// CUC-31: what is not named in a change stays as it is.
TEST_F(KindsTest, UpdateByMaskAndEtag) {
  CreateAll();
  for (const Sample& s : OneOfEach()) {
    SCOPED_TRACE(s.kind);
    ASSERT_THAT(Get(s, Name(s)), IsOk());
    const MessagePtr before = std::move(last_);
    const std::string etag = GetString(*before, "etag");
    const std::string fields = "display_name: 'New name' description: 'no'";
    const std::string mask = "update_mask { paths: 'display_name' } ";
    EXPECT_THAT(Update(s, fields + " etag: 'stale'", mask),
                HasReason("ETAG_MISMATCH"));
    EXPECT_THAT(Update(s, fields, "update_mask { paths: 'no_such_field' }"),
                HasReason("UPDATE_MASK_INVALID"));
    ASSERT_THAT(Update(s, fields, mask + "validate_only: true"), IsOk());
    ASSERT_THAT(Get(s, Name(s)), IsOk());
    EXPECT_TRUE(MessageDifferencer::Equals(*before, *last_));

    ASSERT_THAT(Update(s, absl::StrCat(fields, " etag: '", etag, "'"), mask),
                IsOk());
    EXPECT_EQ(Last("display_name"), "New name");
    EXPECT_EQ(Last("description"), "");
    EXPECT_NE(Last("etag"), etag);
    // Nothing else has changed.
    for (const char* field : {"display_name", "etag", "update_time"}) {
      before->GetReflection()->ClearField(before.get(),
                                          &FieldOf(*before, field));
      last_->GetReflection()->ClearField(last_.get(), &FieldOf(*last_, field));
    }
    EXPECT_TRUE(MessageDifferencer::Equals(*before, *last_));
    // What is wrong is told by its path, and changes nothing.
    const absl::Status bad = Update(
        s, absl::StrCat("display_name: '", std::string(65, 'x'), "'"), mask);
    EXPECT_THAT(bad, HasReason("VALUE_TOO_LONG"));
    EXPECT_THAT(FieldsOf(bad),
                testing::ElementsAre(absl::StrCat(s.kind, ".display_name")));
  }
}

TEST_F(KindsTest, DeleteInTheRightOrder) {
  CreateAll();
  for (const Sample& s : OneOfEach()) {
    if (!s.referenced) continue;
    const absl::Status status = Delete(s);
    EXPECT_THAT(status, HasReason("RESOURCE_IN_USE")) << s.kind;
    EXPECT_TRUE(absl::StrContains(std::string(status.message()), "tenants/t/"))
        << s.kind << ": " << status.message();
  }
  // CUC-55: deletion is the reverse of creation.
  for (size_t i = std::size(kSamples); i-- > 0;) {
    const Sample& s = kSamples[i];
    SCOPED_TRACE(s.kind);
    EXPECT_THAT(Delete(s, "etag: 'stale'"), HasReason("ETAG_MISMATCH"));
    ASSERT_THAT(Delete(s, "validate_only: true"), IsOk());
    ASSERT_THAT(Delete(s), IsOk());
    EXPECT_THAT(Delete(s), HasReason("RESOURCE_NOT_FOUND"));
    EXPECT_THAT(Delete(s, "allow_missing: true"), IsOk());
  }
}

// No call can see or touch what is another tenant's, and no reference crosses.
TEST_F(KindsTest, TenantsAreApart) {
  CreateAll();
  MakeTenant("u");
  const auto vera = ChannelOf("operator/vera");    // viewer in u
  const auto oscar = ChannelOf("operator/oscar");  // operator in t
  for (const Sample& s : OneOfEach()) {
    SCOPED_TRACE(s.kind);
    const bool tenant = std::string_view(s.kind) == "tenant";
    EXPECT_THAT(Get(s, Name(s), vera.get()),
                StatusIs(absl::StatusCode::kPermissionDenied));
    EXPECT_THAT(Delete(s, "", vera.get()),
                StatusIs(absl::StatusCode::kPermissionDenied));
    EXPECT_THAT(Get(s, Name(s), oscar.get()), IsOk());
    if (tenant) continue;
    EXPECT_THAT(List(s, "", vera.get()),
                StatusIs(absl::StatusCode::kPermissionDenied));
    // A viewer writes nothing, an operator nothing elsewhere.
    EXPECT_THAT(Create(s, "x", "", "u", vera.get()),
                StatusIs(absl::StatusCode::kPermissionDenied));
    EXPECT_THAT(Create(s, "x", "", "u", oscar.get()),
                StatusIs(absl::StatusCode::kPermissionDenied));
    if (std::string_view(s.body).find('$') == std::string_view::npos) continue;
    const absl::Status crossing = Create(s, "x", "", "u");
    EXPECT_THAT(crossing, StatusIs(absl::StatusCode::kInvalidArgument));
    size_t references = 0;
    for (const FieldViolation& v : FieldViolationsOf(crossing)) {
      if (absl::StartsWith(v.description, "REFERENCE_WRONG_KIND")) {
        ++references;
      }
    }
    EXPECT_EQ(references, std::count(s.body, s.body + strlen(s.body), '$'))
        << crossing;
  }
}

// A consumer gets them all.
TEST_F(KindsTest, AllKindsAreStreamed) {
  CreateAll();
  Edge edge(ChannelOf("signaling_edge"));
  const auto plan = edge.WaitFor(static_cast<int64_t>(std::size(kSamples)));
  size_t entries = 0;
  ForEachList(*plan, [&entries](const auto& list) {
    EXPECT_FALSE(list.empty());
    entries += list.size();
  });
  EXPECT_EQ(entries, std::size(kSamples));
}

TEST_F(KindsTest, EveryMethodIsThere) {
  const auto* service =
      pb::GetPeerRequest::descriptor()->file()->pool()->FindServiceByName(
          "sallyport.dialplan.v1.DialplanService");
  int called = 0;
  for (int i = 0; i < service->method_count(); ++i) {
    const std::string& name = service->method(i)->name();
    if (service->method(i)->server_streaming()) continue;
    const absl::Status status = Rpc(name, "");
    EXPECT_NE(status.code(), absl::StatusCode::kUnimplemented) << name;
    ++called;
  }
  EXPECT_GT(called, 120);
}

}  // namespace
}  // namespace sallyport::dialplan
