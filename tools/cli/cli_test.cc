#include "tools/cli/cli.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/field_mask_util.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/dispatch_service.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace pb = ::sallyport::dialplan::v1;

// Refuses the number "bad", knows no other.
class FakeRoutes final : public DispatchService::BidiReactor {
 public:
  FakeRoutes() { StartRead(&in_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    pb::ResolveRoutesRequest request;
    EXPECT_TRUE(
        grpc::SerializationTraits<pb::ResolveRoutesRequest>::Deserialize(
            &in_, &request)
            .ok());
    pb::ResolveRoutesResponse response;
    for (const pb::ResolveRouteRequest& question : request.questions()) {
      pb::ResolveRouteResult& result = *response.add_results();
      if (question.called_number() == "bad") {
        result.mutable_error()->set_code(
            static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
        result.mutable_error()->set_message("is no number");
      } else {
        result.mutable_response()->set_decision(pb::ROUTE_DECISION_NOT_FOUND);
        result.mutable_response()->set_explanation(absl::StrCat(
            question.user(), " cannot reach ", question.called_number()));
      }
    }
    const grpc::Slice slice(response.SerializeAsString());
    out_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&out_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&in_);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer in_;
  grpc::ByteBuffer out_;
};

// Peers and partitions in memory; every other method is not implemented, as in
// a service that is younger than the API.
class FakeDialplan final : public DispatchService {
 public:
  FakeDialplan()
      : DispatchService(*google::protobuf::DescriptorPool::generated_pool()
                             ->FindServiceByName(
                                 pb::DialplanService::service_full_name())) {
    Handle("GetPeer", &FakeDialplan::GetPeer);
    Handle("CreatePeer", &FakeDialplan::CreatePeer);
    Handle("UpdatePeer", &FakeDialplan::UpdatePeer);
    Handle("DeletePeer", &FakeDialplan::DeletePeer);
    Handle("ListPeers", &FakeDialplan::ListPeers);
    Handle("GetPartition", &FakeDialplan::GetPartition);
    Handle("CreatePartition", &FakeDialplan::CreatePartition);
    Handle("ResolveRoute", &FakeDialplan::ResolveRoute);
    Handle("GetStatus", &FakeDialplan::GetStatus);
    HandleBidi("ResolveRoutes",
               [](grpc::CallbackServerContext*) { return new FakeRoutes; });
  }

  template <typename Request, typename Response>
  void Handle(std::string_view method,
              absl::Status (FakeDialplan::*handler)(const Request&,
                                                    Response&)) {
    HandleUnary(method, [this, handler](
                            grpc::CallbackServerContext&,
                            const google::protobuf::Message& request,
                            google::protobuf::Message& response, Done done) {
      done((this->*handler)(static_cast<const Request&>(request),
                            static_cast<Response&>(response)));
    });
  }

  template <typename T>
  static absl::Status Find(const std::map<std::string, T>& all,
                           const std::string& name, T* out) {
    const auto it = all.find(name);
    if (it == all.end()) {
      return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                       "there is no such resource");
    }
    *out = it->second;
    return absl::OkStatus();
  }

  absl::Status GetPeer(const pb::GetPeerRequest& request, pb::Peer& response) {
    return Find(peers, request.name(), &response);
  }

  absl::Status CreatePeer(const pb::CreatePeerRequest& request,
                          pb::Peer& response) {
    pb::Peer peer = request.peer();
    peer.set_name(absl::StrCat(request.parent(), "/peers/", request.peer_id()));
    absl::Status status;
    request_ids.push_back(request.request_id());
    if (unavailable > 0) {
      --unavailable;
      status = MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                         "the store is away");
    } else if (peer.kind() == pb::PEER_KIND_UNSPECIFIED) {
      status =
          MakeError(absl::StatusCode::kInvalidArgument, "PLAN_INVALID",
                    "the peer was refused", {{"peer.kind", "is required"}});
    } else if (request.request_id().empty()) {
      status = absl::InvalidArgumentError("no request id");
    } else if (!request.validate_only()) {
      peers[peer.name()] = peer;
      writes.push_back("create " + peer.name());
    }
    response = peer;
    return status;
  }

  absl::Status UpdatePeer(const pb::UpdatePeerRequest& request,
                          pb::Peer& response) {
    const absl::Status found = Find(peers, request.peer().name(), &response);
    if (found.ok()) {
      google::protobuf::util::FieldMaskUtil::MergeOptions options;
      google::protobuf::util::FieldMaskUtil::MergeMessageTo(
          request.peer(), request.update_mask(), options, &response);
      if (!request.validate_only()) {
        peers[response.name()] = response;
        writes.push_back("update " + response.name());
      }
    }
    return found;
  }

  absl::Status DeletePeer(const pb::DeletePeerRequest& request,
                          google::protobuf::Empty&) {
    pb::Peer peer;
    const absl::Status found = Find(peers, request.name(), &peer);
    if (found.ok()) peers.erase(request.name());
    return found;
  }

  // One resource a page, so that a client must follow the tokens.
  absl::Status ListPeers(const pb::ListPeersRequest& request,
                         pb::ListPeersResponse& response) {
    auto it = peers.upper_bound(request.page_token());
    if (it != peers.end()) {
      *response.add_peers() = it->second;
      if (std::next(it) != peers.end()) {
        response.set_next_page_token(it->first);
      }
    }
    return absl::OkStatus();
  }

  absl::Status GetPartition(const pb::GetPartitionRequest& request,
                            pb::Partition& response) {
    return Find(partitions, request.name(), &response);
  }

  absl::Status CreatePartition(const pb::CreatePartitionRequest& request,
                               pb::Partition& response) {
    response = request.partition();
    response.set_name(
        absl::StrCat(request.parent(), "/partitions/", request.partition_id()));
    partitions[response.name()] = response;
    writes.push_back("create " + response.name());
    return absl::OkStatus();
  }

  absl::Status ResolveRoute(const pb::ResolveRouteRequest& request,
                            pb::ResolveRouteResponse& response) {
    response.set_decision(pb::ROUTE_DECISION_NOT_FOUND);
    response.set_reason("ROUTE_NOT_FOUND");
    response.set_explanation(absl::StrCat(request.user(), " cannot reach ",
                                          request.called_number()));
    return absl::OkStatus();
  }

  absl::Status GetStatus(const pb::GetStatusRequest&,
                         pb::DialplanStatus& response) {
    response.mutable_info()->set_instance("fake-0");
    *response.mutable_info()->mutable_server_time() = ToProto(absl::Now());
    response.set_configured_version(7);
    return absl::OkStatus();
  }

  std::map<std::string, pb::Peer> peers;
  std::map<std::string, pb::Partition> partitions;
  std::vector<std::string> writes;
  int unavailable = 0;  // so many creates of peers fail
  std::vector<std::string> request_ids;
};

constexpr char kTrustDomain[] = "cli.test";

class CliTest : public ::testing::Test {
 protected:
  CliTest() : pki_("cli") {
    const PemFiles server = pki_.IssueSpiffe(kTrustDomain, "dialplan");
    common::config::v1::ServerConfig config;
    config.set_listen_address("127.0.0.1:0");
    config.mutable_tls()->set_certificate_file(server.certificate_file);
    config.mutable_tls()->set_key_file(server.key_file);
    config.mutable_tls()->set_ca_file(server.ca_file);
    config.set_trust_domain(kTrustDomain);
    auto* const binding = config.add_role_bindings();
    binding->set_identity(
        absl::StrCat("spiffe://", kTrustDomain, "/operator/ann"));
    binding->set_role(common::config::v1::ROLE_ADMIN);
    binding->add_tenants("*");

    const google::protobuf::ServiceDescriptor* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
            pb::DialplanService::service_full_name());
    std::vector<MethodRule> rules;
    for (int i = 0; i < service->method_count(); ++i) {
      rules.push_back({absl::StrCat("/", service->full_name(), "/",
                                    service->method(i)->name()),
                       {},
                       OperatorRole::kOperator});
    }
    policy_ = std::make_unique<AccessPolicy>(
        AccessPolicy::Create(config, rules).value());
    GrpcServerOptions options;
    options.policy = policy_.get();
    options.services = {&dialplan_};
    server_ = GrpcServer::Start(config, options).value();
    server_->SetReady(true);
    config_file_ = WriteConfig("ann");
  }

  std::string WriteConfig(const std::string& name) {
    const PemFiles files =
        pki_.IssueSpiffe(kTrustDomain, absl::StrCat("operator/", name));
    const std::string path = absl::StrCat(pki_.folder(), "/", name, ".json");
    std::ofstream(path) << R"({"tls": {"certificate_file": ")"
                        << files.certificate_file << R"(", "key_file": ")"
                        << files.key_file << R"(", "ca_file": ")"
                        << files.ca_file << R"("}, "trust_domain": ")"
                        << kTrustDomain
                        << R"(", "dialplan": {"target": "127.0.0.1:)"
                        << server_->port() << "\"}}";
    return path;
  }

  std::string WriteManifest(const std::string& yaml) {
    const std::string path = absl::StrCat(pki_.folder(), "/plan.yaml");
    std::ofstream(path) << yaml;
    return path;
  }

  int Run(std::vector<std::string> arguments) {
    std::vector<const char*> argv = {"sallyport", "--config",
                                     config_file_.c_str()};
    for (const std::string& argument : arguments) {
      argv.push_back(argument.c_str());
    }
    out_.str("");
    err_.str("");
    return RunCli(static_cast<int>(argv.size()), argv.data(), out_, err_);
  }

  MtlsPki pki_;
  FakeDialplan dialplan_;
  std::unique_ptr<AccessPolicy> policy_;
  std::unique_ptr<GrpcServer> server_;
  std::string config_file_;
  std::ostringstream out_;
  std::ostringstream err_;
};

constexpr char kPlan[] = R"(
kind: Peer
name: gw
spec: {kind: IP_GATEWAY, fqdn: gw.test, port: 5061}
---
kind: Partition
name: local
)";

TEST_F(CliTest, AppliesTwiceAndChangesOnlyWhatChanged) {
  const std::string file = WriteManifest(kPlan);
  EXPECT_EQ(Run({"apply", "-f", file}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "Peer tenants/default/peers/gw created\n"
            "Partition tenants/default/partitions/local created\n"
            "2 created\n");
  EXPECT_EQ(dialplan_.writes.size(), 2);

  EXPECT_EQ(Run({"apply", "-f", file}), 0);
  EXPECT_EQ(out_.str(),
            "Peer tenants/default/peers/gw unchanged\n"
            "Partition tenants/default/partitions/local unchanged\n"
            "2 unchanged\n");
  EXPECT_EQ(dialplan_.writes.size(), 2);

  // What the file does not say stays as it is.
  dialplan_.peers["tenants/default/peers/gw"].set_vendor("Dialogic");
  WriteManifest("kind: Peer\nname: gw\nspec: {port: 5062}\n");
  EXPECT_EQ(Run({"apply", "-f", file}), 0);
  EXPECT_EQ(out_.str(), "Peer tenants/default/peers/gw updated\n1 updated\n");
  const pb::Peer& peer = dialplan_.peers["tenants/default/peers/gw"];
  EXPECT_EQ(peer.port(), 5062);
  EXPECT_EQ(peer.fqdn(), "gw.test");
  EXPECT_EQ(peer.vendor(), "Dialogic");
}

TEST_F(CliTest, AWriteThatWasNotAnsweredIsTheSameOneAgain) {
  dialplan_.unavailable = 2;
  const std::string file = WriteManifest(kPlan);
  EXPECT_EQ(Run({"apply", "-f", file}), 0) << err_.str();
  ASSERT_EQ(dialplan_.request_ids.size(), 3u);
  EXPECT_EQ(dialplan_.request_ids[0], dialplan_.request_ids[2]);
  EXPECT_EQ(dialplan_.request_ids[0].size(), 32u);
}

TEST_F(CliTest, WhatAServiceThatWentAwayDidNotGetIsTold) {
  const std::string file = WriteManifest(
      "kind: Partition\nname: local\n---\n"
      "kind: Peer\nname: gw\nspec: {kind: IP_GATEWAY}\n---\n"
      "kind: Peer\nname: pbx\nspec: {kind: IP_PBX}\n");
  dialplan_.unavailable = 100;
  EXPECT_EQ(Run({"apply", "-f", file}), 1);
  EXPECT_EQ(out_.str(),
            "Partition tenants/default/partitions/local created\n"
            "Peer tenants/default/peers/gw failed\n"
            "Peer tenants/default/peers/pbx not tried\n"
            "1 created, 1 failed, 1 not tried\n");
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("[STORE_UNAVAILABLE]"),
                                HasSubstr("[APPLY_INCOMPLETE]")));
  // Applied again, it comes to what was meant.
  dialplan_.unavailable = 0;
  EXPECT_EQ(Run({"apply", "-f", file}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\n2 created, 1 unchanged\n"));
}

TEST_F(CliTest, AFolderIsAppliedWhole) {
  const std::string folder = absl::StrCat(pki_.folder(), "/plan");
  std::filesystem::create_directories(folder + "/sub");
  std::ofstream(folder + "/b.yaml") << "kind: Partition\nname: b\n";
  std::ofstream(folder + "/sub/a.yml") << "kind: Partition\nname: a\n";
  std::ofstream(folder + "/notes.txt") << "not: [a manifest\n";
  EXPECT_EQ(Run({"apply", "-f", folder}), 0) << err_.str();
  EXPECT_EQ(dialplan_.partitions.size(), 2u);
  EXPECT_EQ(Run({"get", "partition", "a", "-o", "name"}), 0);
  EXPECT_EQ(out_.str(), "tenants/default/partitions/a\n");
  // Nothing is applied if one file is at fault, and all are told.
  std::ofstream(folder + "/c.yaml") << "kind: Partition\nname: a\n";
  EXPECT_EQ(Run({"apply", "-f", folder}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("is given twice, first at"));
  std::ofstream(folder + "/c.yaml") << "kind: Teapot\nname: c\n";
  std::ofstream(folder + "/d.yaml") << "kind: [\n";
  EXPECT_EQ(Run({"apply", "-f", folder}), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("c.yaml:1 kind: \"Teapot\" cannot"),
                                HasSubstr("d.yaml:")));
  EXPECT_EQ(Run({"apply", "-f", folder + "/none.yaml"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("[FILE_UNREADABLE]"));
}

TEST_F(CliTest, DryRunStoresNothing) {
  const std::string file = WriteManifest(
      "kind: Peer\nname: gw\n"
      "spec: {kind: SIP_TRUNK}\n");
  EXPECT_EQ(Run({"apply", "-f", file, "--dry-run"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "Peer tenants/default/peers/gw created (dry run)\n"
            "1 created (dry run)\n");
  EXPECT_TRUE(dialplan_.peers.empty());
}

TEST_F(CliTest, RefusalsNameReasonAndFields) {
  const std::string file =
      WriteManifest("kind: Peer\nname: gw\n---\nkind: Partition\nname: a\n");
  EXPECT_EQ(Run({"apply", "-f", file}), 1);
  EXPECT_THAT(err_.str(),
              AllOf(HasSubstr("the peer was refused [PLAN_INVALID]"),
                    HasSubstr("  peer.kind: is required\n")));
  // One fault does not keep the rest from being applied.
  EXPECT_EQ(dialplan_.partitions.size(), 1);
}

TEST_F(CliTest, GetsInEveryFormAndFollowsPages) {
  ASSERT_EQ(Run({"apply", "-f", WriteManifest(kPlan)}), 0);
  WriteManifest("kind: Peer\nname: pbx\nspec: {kind: IP_PBX}\n");
  ASSERT_EQ(Run({"apply", "-f", pki_.folder() + "/plan.yaml"}), 0);

  EXPECT_EQ(Run({"get", "peers"}), 0);
  EXPECT_EQ(out_.str(),
            "NAME  KIND        FQDN     PORT\n"
            "gw    IP_GATEWAY  gw.test  5061\n"
            "pbx   IP_PBX               0\n");
  EXPECT_EQ(Run({"get", "peer", "gw", "-o", "yaml"}), 0);
  EXPECT_EQ(out_.str(),
            "kind: Peer\nname: tenants/default/peers/gw\nspec:\n"
            "  kind: PEER_KIND_IP_GATEWAY\n  fqdn: gw.test\n  port: 5061\n");
  EXPECT_EQ(Run({"-o", "json", "get", "peers", "--limit", "1"}), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("\"peers\": ["), HasSubstr("peers/gw"),
                    Not(HasSubstr("peers/pbx"))));
  EXPECT_EQ(Run({"describe", "peer", "gw"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("fqdn: gw.test\n"));
  EXPECT_EQ(Run({"get", "peer", "nobody"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("[RESOURCE_NOT_FOUND]"));
}

TEST_F(CliTest, Deletes) {
  ASSERT_EQ(Run({"apply", "-f", WriteManifest(kPlan)}), 0);
  EXPECT_EQ(Run({"delete", "peer", "gw"}), 0);
  EXPECT_EQ(out_.str(), "Peer tenants/default/peers/gw deleted\n");
  EXPECT_TRUE(dialplan_.peers.empty());
  EXPECT_EQ(Run({"delete", "peer", "gw"}), 1);
}

TEST_F(CliTest, ExplainsRoutes) {
  EXPECT_EQ(Run({"explain-route", "--from", "user/ann", "--to", "7777"}), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("Decision: NOT_FOUND [ROUTE_NOT_FOUND]"),
                    HasSubstr("tenants/default/users/ann cannot reach 7777")));
}

// More than one request on the stream.
TEST_F(CliTest, ExplainsManyRoutesByOneStream) {
  std::string attempts = "- {from: user/ann, to: bad}\n";
  for (int i = 0; i < 250; ++i) {
    absl::StrAppend(&attempts, "- {from: user/ann, to: \"", 7000 + i, "\"}\n");
  }
  const std::string file = WriteManifest(attempts);
  EXPECT_EQ(Run({"explain-route", "--attempts", file}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("FROM       TO    DECISION"),
                                HasSubstr("users/ann  bad   refused"),
                                HasSubstr("users/ann  7000  NOT_FOUND"),
                                HasSubstr("users/ann  7249  NOT_FOUND")));
  EXPECT_EQ(Run({"explain-route", "--attempts", file, "-o", "json"}), 0);
  EXPECT_THAT(out_.str(),
              HasSubstr("tenants/default/users/ann cannot reach 7249"));
  EXPECT_EQ(Run({"explain-route", "--attempts", file, "--to", "1"}), 2);
  EXPECT_EQ(Run({"explain-route", "--to", "1"}), 2);
  EXPECT_EQ(Run({"explain-route", "--attempts", "none.yaml"}), 1);
}

TEST_F(CliTest, DoctorLooksAtWhatIsConfigured) {
  EXPECT_EQ(Run({"doctor"}), 0) << out_.str() << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("fake-0"), HasSubstr("ready"),
                    HasSubstr("as ours"), HasSubstr("no target"),
                    ::testing::ContainsRegex(
                        "dialplan at [0-9.:]+ +certificate +WARNING")));
  server_->SetReady(false);
  EXPECT_EQ(Run({"doctor"}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("not ready"));
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_EQ(Run({"doctor"}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("CONNECT_FAILED"));
}

TEST_F(CliTest, OperatorsWithoutRoleAreRefused) {
  config_file_ = WriteConfig("bob");
  EXPECT_EQ(Run({"get", "peers"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("server.role_bindings"));
}

TEST_F(CliTest, WhatTheServiceDoesNotHaveIsNamed) {
  EXPECT_EQ(Run({"get", "users"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("METHOD_NOT_IMPLEMENTED"));
  EXPECT_EQ(Run({"calls"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("SERVICE_NOT_CONFIGURED"));
}

TEST_F(CliTest, WrongUsage) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(Run({"frobnicate"}), 2);
  EXPECT_EQ(Run({"get"}), 2);
  EXPECT_EQ(Run({"get", "teapots"}), 2);
  EXPECT_EQ(Run({"get", "peers", "-o", "xml"}), 2);
  EXPECT_EQ(Run({"explain-route", "--from", "teapot/a", "--to", "1"}), 2);
  EXPECT_EQ(Run({"--help"}), 0);
}

}  // namespace
}  // namespace sallyport::cli
