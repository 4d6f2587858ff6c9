// Nobody sees or touches what is another tenant's: every method of the API, by
// its descriptor, called over real mutual TLS by everybody who could try.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/message.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/process_fixture.h"

namespace sallyport::dialplan {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::ServiceDescriptor;
using ::testing::HasSubstr;
using ::testing::Not;

// The lowest role in its tenant by which an operator may call a method.
enum class Lowest { kViewer, kOperator, kAdmin, kServicesOnly };

// Written here once more, and not taken from access_rules: a method that is
// new must be thought about twice.
const std::map<std::string, Lowest>& Table() {
  static const auto& table = *new std::map<std::string, Lowest>{
      {"CreateTenant", Lowest::kAdmin},
      {"UpdateTenant", Lowest::kAdmin},
      {"DeleteTenant", Lowest::kAdmin},
      {"ListAuditRecords", Lowest::kAdmin},
      {"ResolveRoute", Lowest::kViewer},
      {"ResolveRoutes", Lowest::kViewer},
      {"EvaluateChange", Lowest::kViewer},
      {"GetStatus", Lowest::kViewer},
      {"GetSecurityReadiness", Lowest::kViewer},
      {"ListThreats", Lowest::kViewer},
      {"ListLinks", Lowest::kViewer},
      {"TestConnectivity", Lowest::kOperator},
      {"ApplyChanges", Lowest::kOperator},
      {"ListPlanFindings", Lowest::kViewer},
      {"ImportUsers", Lowest::kOperator},
      {"ImportNumbers", Lowest::kOperator},
      {"WatchSnapshot", Lowest::kServicesOnly},
      {"ReportSnapshotVersion", Lowest::kServicesOnly},
  };
  return table;
}

// What belongs to no tenant, so that a role in one tenant is not enough.
bool IsOfInstallation(const std::string& method) {
  return method == "CreateTenant" || method == "GetStatus";
}

const ServiceDescriptor& Service() {
  return *pb::WatchSnapshotRequest::descriptor()
              ->file()
              ->pool()
              ->FindServiceByName("sallyport.dialplan.v1.DialplanService");
}

Lowest LowestFor(const std::string& method,
                 const std::map<std::string, std::string>& collections) {
  const auto it = Table().find(method);
  if (it != Table().end()) return it->second;
  for (const auto& [type, collection] : collections) {
    if (method == "Get" + type) return Lowest::kViewer;
    if (method == "Create" + type || method == "Update" + type ||
        method == "Delete" + type) {
      return Lowest::kOperator;
    }
    std::string plural = collection;
    plural[0] = static_cast<char>(plural[0] - 'a' + 'A');
    if (method == "List" + plural) return Lowest::kViewer;
  }
  ADD_FAILURE() << method << " is in no table: say who may call it";
  return Lowest::kServicesOnly;
}

class TenancyTest : public DialplanTest {
 protected:
  struct Answer {
    absl::Status status;
    std::string message;  // serialized
  };

  void SetUp() override {
    WriteConfigWith({{"ann", "ROLE_ADMIN", "*"},
                     {"tina", "ROLE_ADMIN", "t"},
                     {"oscar", "ROLE_OPERATOR", "t"},
                     {"vic", "ROLE_VIEWER", "t"},
                     {"uma", "ROLE_ADMIN", "u"}});
    Start();
    for (int i = 0; i < Service().method_count(); ++i) {
      const MethodDescriptor& method = *Service().method(i);
      if (!absl::StartsWith(method.name(), "List")) continue;
      const auto* output = method.output_type();
      for (int f = 0; f < output->field_count(); ++f) {
        if (!output->field(f)->is_repeated()) continue;
        std::string collection = method.name().substr(4);
        collection[0] = static_cast<char>(collection[0] - 'A' + 'a');
        collections_[output->field(f)->message_type()->name()] = collection;
      }
    }
    collections_.erase("AuditRecord");
    collections_.erase("Threat");
  }

  struct Binding {
    std::string who;
    std::string role;
    std::string tenant;
  };
  void WriteConfigWith(const std::vector<Binding>& bindings) {
    std::string text;
    for (const Binding& binding : bindings) {
      absl::StrAppend(&text, text.empty() ? "" : ",",
                      "{\"identity\":\"spiffe://t.test/operator/", binding.who,
                      "\",\"role\":\"", binding.role, "\",\"tenants\":[\"",
                      binding.tenant, "\"]}");
    }
    process_.WriteConfig(absl::StrCat(
        "{\"server\":",
        process_.ServerJson(
            pki_->IssueSpiffe(kTrustDomain, "dialplan"), kTrustDomain,
            absl::StrCat(",\"instance_id\":\"dp0\",\"drain_timeout\":\"5s\","
                         "\"role_bindings\":[",
                         text, "]")),
        ",\"store\":{\"sqlite_file\":\"", process_.folder(), "/plan.db\"}}"));
  }

  // A request of `method` that is about tenants/t: each of its names is that
  // of a resource `id` there.
  std::unique_ptr<Message> RequestFor(const MethodDescriptor& method,
                                      const std::string& id) {
    const Message* prototype =
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(
            method.input_type());
    std::unique_ptr<Message> out(prototype->New());
    if (method.name() == "ResolveRoutes") {
      Fill(*static_cast<pb::ResolveRoutesRequest&>(*out).add_questions(),
           "ResolveRoute", id);
    } else {
      Fill(*out, method.name(), id);
    }
    return out;
  }

  void Fill(Message& message, const std::string& method,
            const std::string& id) {
    const auto* reflection = message.GetReflection();
    const auto* descriptor = message.GetDescriptor();
    const auto set = [&](const char* field, const std::string& value) {
      const FieldDescriptor* found = descriptor->FindFieldByName(field);
      if (found != nullptr && !found->is_repeated() &&
          found->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        reflection->SetString(&message, found, value);
      }
    };
    set("parent", "tenants/t");
    set("name", NameFor(method, id));
    set("peer", "tenants/t/peers/" + id);
    set("called_number", "1001");
    set("consumer", "somebody");
    if (descriptor->FindFieldByName("update_mask") == nullptr) return;
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
          field->name() == "update_mask") {
        continue;
      }
      Message* inner = reflection->MutableMessage(&message, field);
      inner->GetReflection()->SetString(
          inner, inner->GetDescriptor()->FindFieldByName("name"),
          NameFor(method, id));
    }
  }

  std::string NameFor(const std::string& method, const std::string& id) {
    for (const char* verb : {"Get", "Update", "Delete"}) {
      if (!absl::StartsWith(method, verb)) continue;
      const std::string type(absl::StripPrefix(method, verb));
      if (type == "Tenant") return "tenants/t";
      const auto it = collections_.find(type);
      if (it != collections_.end()) {
        return absl::StrCat("tenants/t/", it->second, "/", id);
      }
    }
    return "tenants/t/dialPlans/" + id;  // GetSecurityReadiness
  }

  // Unary and streaming alike; of a stream, the first message.
  Answer CallBy(const std::string& path, const MethodDescriptor& method,
                const Message& request) {
    auto& channel = channels_[path];
    if (channel == nullptr) channel = ChannelOf(path);
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    grpc::CompletionQueue queue;
    const std::string bytes = request.SerializeAsString();
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer sent(&slice, 1);
    const std::string full =
        absl::StrCat("/", Service().full_name(), "/", method.name());
    auto call = stub.PrepareCall(&context, full, &queue);
    void* tag = nullptr;
    bool ok = false;
    call->StartCall(nullptr);
    queue.Next(&tag, &ok);
    if (ok) {
      call->WriteLast(sent, {}, nullptr);
      queue.Next(&tag, &ok);
    }
    Answer out;
    grpc::ByteBuffer received;
    call->Read(&received, nullptr);
    queue.Next(&tag, &ok);
    if (ok) {
      std::vector<grpc::Slice> slices;
      if (received.Dump(&slices).ok()) {
        for (const grpc::Slice& piece : slices) {
          out.message.append(reinterpret_cast<const char*>(piece.begin()),
                             piece.size());
        }
      }
    }
    if (method.server_streaming() && ok) {
      context.TryCancel();
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    if (!method.server_streaming() || out.message.empty()) {
      out.status = FromGrpc(status);
    } else if (method.client_streaming()) {
      // A stream of questions is open to who may ask about any tenant; each is
      // refused by itself.
      pb::ResolveRoutesResponse answers;
      EXPECT_TRUE(answers.ParseFromString(out.message));
      EXPECT_EQ(answers.results_size(), 1);
      if (answers.results(0).has_error()) {
        const auto& error = answers.results(0).error();
        out.status =
            FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(error.code()),
                                  error.message(), error.SerializeAsString()));
        out.message.clear();
      }
    }
    return out;
  }

  static bool IsDenied(const absl::Status& status) {
    return status.code() == absl::StatusCode::kPermissionDenied ||
           status.code() == absl::StatusCode::kUnauthenticated;
  }

  std::map<std::string, std::string> collections_;  // by type: "Peer"
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

// Who may call what about tenants/t: every method, every kind of caller.
TEST_F(TenancyTest, EveryMethodForEverybody) {
  MakeDemo();
  MakeTenant("u");
  const std::map<std::string, Lowest> roles_in_t = {
      {"operator/tina", Lowest::kAdmin},
      {"operator/oscar", Lowest::kOperator},
      {"operator/vic", Lowest::kViewer}};
  EXPECT_GE(Service().method_count(), 130);
  for (int i = 0; i < Service().method_count(); ++i) {
    const MethodDescriptor& method = *Service().method(i);
    SCOPED_TRACE(method.name());
    const Lowest lowest = LowestFor(method.name(), collections_);
    const auto request = RequestFor(method, "nobody-has-this");
    // Another tenant's administrator, and somebody with no role at all.
    for (const char* stranger : {"operator/uma", "operator/nobody"}) {
      // Everybody with a role sees a list of tenants: their own.
      if (method.name() == "ListTenants" &&
          std::string(stranger) == "operator/uma") {
        continue;
      }
      const Answer answer = CallBy(stranger, method, *request);
      // What is not there yet tells nobody anything.
      EXPECT_TRUE(IsDenied(answer.status) ||
                  absl::IsUnimplemented(answer.status))
          << stranger << answer.status;
      EXPECT_EQ(answer.message, "") << stranger;
    }
    // A service that has no business here.
    EXPECT_TRUE(IsDenied(CallBy("media_relay", method, *request).status));
    // Services that follow the plan.
    EXPECT_EQ(IsDenied(CallBy("signaling_edge", method, *request).status),
              lowest != Lowest::kServicesOnly);
    for (const auto& [who, role] : roles_in_t) {
      const bool allowed = lowest != Lowest::kServicesOnly && role >= lowest &&
                           !IsOfInstallation(method.name());
      const Answer answer = CallBy(who, method, *request);
      EXPECT_EQ(IsDenied(answer.status), !allowed) << who << answer.status;
    }
  }
}

// A stranger cannot even tell whether something exists: what is there and what
// is not get the same answer, word for word.
TEST_F(TenancyTest, ExistenceIsNotTold) {
  MakeDemo();
  MakeTenant("u");
  for (int i = 0; i < Service().method_count(); ++i) {
    const MethodDescriptor& method = *Service().method(i);
    if (method.name() == "ListTenants") continue;
    SCOPED_TRACE(method.name());
    const Answer missing =
        CallBy("operator/uma", method, *RequestFor(method, "missing"));
    for (const char* there : {"gw", "secured", "1001", "out"}) {
      const Answer present =
          CallBy("operator/uma", method, *RequestFor(method, there));
      EXPECT_EQ(present.status.code(), missing.status.code());
      EXPECT_EQ(ReasonOf(present.status), ReasonOf(missing.status));
      EXPECT_EQ(present.status.message(), missing.status.message());
    }
  }
}

TEST_F(TenancyTest, ListsOfTenantsShowOnesOwn) {
  MakeTenant("t");
  MakeTenant("u");
  const auto uma = StubOf("operator/uma");
  pb::ListTenantsRequest list;
  pb::ListTenantsResponse page;
  ASSERT_THAT(Call(&Stub::ListTenants, list, &page, uma.get()), IsOk());
  ASSERT_EQ(page.tenants_size(), 1);
  EXPECT_EQ(page.tenants(0).name(), "tenants/u");
  list.set_filter("name = \"tenants/t\"");
  ASSERT_THAT(Call(&Stub::ListTenants, list, &page, uma.get()), IsOk());
  EXPECT_EQ(page.tenants_size(), 0);
}

// References, unique names, request ids, page tokens and filters of one tenant
// say nothing about those of another.
TEST_F(TenancyTest, NothingLeaksSideways) {
  MakeDemo();
  MakeTenant("u");
  MakePlan("u", "secured", type::SECURITY_MODE_SECURED);
  const auto uma = StubOf("operator/uma");
  const auto tina = StubOf("operator/tina");
  pb::Peer peer;

  // A reference to what is there and to what is not: the same refusal.
  std::vector<std::string> refusals;
  for (const char* id : {"gateway", "missing"}) {
    pb::CreatePeerRequest request = PeerRequest("u", "p", "secured");
    request.mutable_peer()->set_dial_plan(
        absl::StrCat("tenants/t/dialPlans/", id));
    const absl::Status status =
        Call(&Stub::CreatePeer, request, &peer, uma.get());
    EXPECT_THAT(status, HasReason("REFERENCE_WRONG_KIND"));
    refusals.push_back(
        absl::StrReplaceAll(std::string(status.message()), {{id, "*"}}));
    EXPECT_THAT(refusals.back(), Not(HasSubstr("tenants/t")));
  }
  EXPECT_EQ(refusals[0], refusals[1]);

  // Nor do the rules judge by another tenant's plan, which is secured and
  // would want an FQDN.
  for (const char* id : {"gateway", "missing"}) {
    pb::CreatePeerRequest request = PeerRequest("u", "p", "secured");
    request.mutable_peer()->set_dial_plan(
        absl::StrCat("tenants/t/dialPlans/", id));
    request.mutable_peer()->clear_fqdn();
    request.mutable_peer()->set_address("192.0.2.1");
    const absl::Status status =
        Call(&Stub::CreatePeer, request, &peer, uma.get());
    EXPECT_EQ(FieldViolationsOf(status).size(), 1u) << id << status;
  }

  // A subject name can be held once in the installation: that it is held
  // cannot be hidden, whose it is can.
  pb::CreatePeerRequest same = PeerRequest("u", "p", "secured");
  same.mutable_peer()->set_fqdn("gw.t.test");
  const absl::Status taken = Call(&Stub::CreatePeer, same, &peer, uma.get());
  EXPECT_THAT(taken, HasReason("PEER_SUBJECT_NOT_UNIQUE"));
  EXPECT_THAT(std::string(taken.message()), Not(HasSubstr("tenants/t")));
  for (const FieldViolation& violation : FieldViolationsOf(taken)) {
    EXPECT_THAT(violation.description, Not(HasSubstr("tenants/t")));
  }

  // One request id, two callers: neither gets the other's answer, nor is told
  // that the other used it.
  pb::CreatePeerRequest mine = PeerRequest("t", "mine", "gateway");
  mine.set_request_id("r-1");
  ASSERT_THAT(Call(&Stub::CreatePeer, mine, &peer, tina.get()), IsOk());
  pb::CreatePeerRequest theirs = PeerRequest("u", "theirs", "secured");
  theirs.set_request_id("r-1");
  ASSERT_THAT(Call(&Stub::CreatePeer, theirs, &peer, uma.get()), IsOk());
  EXPECT_EQ(peer.name(), "tenants/u/peers/theirs");

  // A page token is bound to its list.
  pb::ListPeersRequest list;
  list.set_parent("tenants/t");
  list.set_page_size(1);
  pb::ListPeersResponse page;
  ASSERT_THAT(Call(&Stub::ListPeers, list, &page, tina.get()), IsOk());
  ASSERT_FALSE(page.next_page_token().empty());
  list.set_parent("tenants/u");
  list.set_page_token(page.next_page_token());
  EXPECT_THAT(Call(&Stub::ListPeers, list, &page, uma.get()),
              HasReason("PAGE_TOKEN_INVALID"));

  // A filter finds nothing beyond the parent.
  list.clear_page_token();
  list.set_page_size(0);
  list.set_filter("fqdn = \"gw.t.test\"");
  ASSERT_THAT(Call(&Stub::ListPeers, list, &page, uma.get()), IsOk());
  EXPECT_EQ(page.peers_size(), 0);

  // Routing: another tenant's user, domain and search space are as if they
  // were not there.
  std::vector<std::string> answers;
  for (const char* called : {"1001@t.test", "9999@t.test"}) {
    pb::ResolveRouteRequest route;
    route.set_parent("tenants/u");
    route.set_called_number(called);
    pb::ResolveRouteResponse answer;
    ASSERT_THAT(Call(&Stub::ResolveRoute, route, &answer, uma.get()), IsOk());
    answers.push_back(absl::StrCat(answer.decision(), " ", answer.reason()));
    EXPECT_EQ(answer.targets_size(), 0);
  }
  EXPECT_EQ(answers[0], answers[1]);
  std::vector<std::string> faults;
  for (const char* user : {"tenants/t/users/1001", "tenants/t/users/9999"}) {
    pb::ResolveRouteRequest route;
    route.set_parent("tenants/u");
    route.set_called_number("1");
    route.set_user(user);
    pb::ResolveRouteResponse answer;
    const absl::Status status =
        Call(&Stub::ResolveRoute, route, &answer, uma.get());
    EXPECT_FALSE(status.ok());
    faults.push_back(absl::StrReplaceAll(std::string(status.message()),
                                         {{"1001", "*"}, {"9999", "*"}}));
  }
  EXPECT_EQ(faults[0], faults[1]);

  // The log of changes of one tenant holds no line of another.
  pb::ListAuditRecordsRequest log;
  log.set_parent("tenants/u");
  log.set_page_size(1000);
  pb::ListAuditRecordsResponse records;
  ASSERT_THAT(Call(&Stub::ListAuditRecords, log, &records, uma.get()), IsOk());
  EXPECT_GT(records.audit_records_size(), 0);
  EXPECT_THAT(records.ShortDebugString(), Not(HasSubstr("tenants/t/")));
}

}  // namespace
}  // namespace sallyport::dialplan
