#include "services/common/service/process_state.h"

#include <utility>

#include "grpcpp/support/server_callback.h"
#include "sallyport/common/v1/process_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/net/own_listeners.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport {
namespace {

class Service final : public common::v1::ProcessService::CallbackService {
 public:
  explicit Service(ProcessState& state) : state_(state) {}

  grpc::ServerUnaryReactor* GetProcess(
      grpc::CallbackServerContext* context,
      const common::v1::GetProcessRequest* /*request*/,
      common::v1::Process* response) override {
    *response = state_.Describe();
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerUnaryReactor* RestartProcess(
      grpc::CallbackServerContext* context,
      const common::v1::RestartProcessRequest* /*request*/,
      common::v1::Process* response) override {
    return Change(context, "RestartProcess", ProcessChange::kRestart, response);
  }
  grpc::ServerUnaryReactor* StopProcess(
      grpc::CallbackServerContext* context,
      const common::v1::StopProcessRequest* /*request*/,
      common::v1::Process* response) override {
    return Change(context, "StopProcess", ProcessChange::kStop, response);
  }
  grpc::ServerUnaryReactor* StartProcess(
      grpc::CallbackServerContext* context,
      const common::v1::StartProcessRequest* /*request*/,
      common::v1::Process* response) override {
    return Change(context, "StartProcess", ProcessChange::kStart, response);
  }

 private:
  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context,
                                   const std::string& method,
                                   ProcessChange change,
                                   common::v1::Process* response) {
    *response = state_.Describe();
    absl::Status status = state_.Authorize(
        *context, "/sallyport.common.v1.ProcessService/" + method);
    if (status.ok()) status = state_.Ask(change);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  ProcessState& state_;
};

}  // namespace

ProcessState::ProcessState(Options options)
    : options_(std::move(options)),
      service_(std::make_unique<Service>(*this)) {}

absl::Status ProcessState::Authorize(const grpc::ServerContextBase& context,
                                     std::string_view method) const {
  if (options_.policy == nullptr) {
    return MakeError(absl::StatusCode::kPermissionDenied, "METHOD_NOT_LISTED",
                     "nobody may");
  }
  return options_.policy->Authorize(context, method, /*tenant=*/"").status();
}

absl::Status ProcessState::Ask(ProcessChange change) {
  const auto failed = [](std::string_view reason, std::string_view what) {
    return MakeError(absl::StatusCode::kFailedPrecondition, reason, what);
  };
  if (change == ProcessChange::kStart && !options_.stopped) {
    return failed("PROCESS_RUNNING", "the process is not stopped");
  }
  if (change != ProcessChange::kStart && options_.stopped) {
    return failed("PROCESS_STOPPED", "the process is stopped: start it");
  }
  if (change != ProcessChange::kStop && options_.check != nullptr) {
    // It would end for good.
    if (const absl::Status fault = options_.check(); !fault.ok()) {
      return failed("CONFIGURATION_REFUSED",
                    "it could not begin with its configuration file: " +
                        std::string(fault.message()));
    }
  }
  const absl::MutexLock lock(&mutex_);
  if (asked_ != ProcessChange::kNone) {
    return failed("CHANGE_PENDING", "the process is about to end");
  }
  asked_ = change;
  return absl::OkStatus();
}

ProcessChange ProcessState::asked() const {
  const absl::MutexLock lock(&mutex_);
  return asked_;
}

ProcessState::~ProcessState() = default;

void ProcessState::SetWaiting(std::vector<SettingDifference> waiting,
                              absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  waiting_ = std::move(waiting);
  refused_.clear();
  change_time_ = now;
}

void ProcessState::SetRefused(std::string why, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  refused_ = std::move(why);
  change_time_ = now;
}

common::v1::Process ProcessState::Describe() const {
  common::v1::Process out;
  out.set_instance(options_.instance);
  *out.mutable_start_time() = ToProto(options_.start_time);
  for (const OwnListener& one : OwnListeners()) {
    common::v1::ProcessListener& listener = *out.add_listeners();
    listener.set_protocol(one.udp ? "udp" : "tcp");
    listener.set_address(one.ip);
    listener.set_first_port(one.first_port);
    listener.set_last_port(one.last_port);
  }
  const auto add = [&out](const SettingDifference& one) {
    common::v1::WaitingSetting& setting = *out.add_waiting_settings();
    setting.set_field(one.field);
    setting.set_active_value(one.before);
    setting.set_configured_value(one.after);
  };
  if (options_.ask_waiting != nullptr) {
    for (const SettingDifference& one : options_.ask_waiting()) add(one);
  }
  const absl::MutexLock lock(&mutex_);
  for (const SettingDifference& one : waiting_) add(one);
  out.set_refused_configuration(refused_);
  out.set_stopped(options_.stopped);
  if (change_time_ != absl::InfinitePast()) {
    *out.mutable_configuration_time() = ToProto(change_time_);
  }
  return out;
}

}  // namespace sallyport
