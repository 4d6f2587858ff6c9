#include "services/common/service/process_state.h"

#include <utility>

#include "grpcpp/support/server_callback.h"
#include "sallyport/common/v1/process_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/net/own_listeners.h"

namespace sallyport {
namespace {

class Service final : public common::v1::ProcessService::CallbackService {
 public:
  explicit Service(const ProcessState& state) : state_(state) {}

  grpc::ServerUnaryReactor* GetProcess(
      grpc::CallbackServerContext* context,
      const common::v1::GetProcessRequest* /*request*/,
      common::v1::Process* response) override {
    *response = state_.Describe();
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const ProcessState& state_;
};

}  // namespace

ProcessState::ProcessState(std::string instance, absl::Time start_time)
    : instance_(std::move(instance)),
      start_time_(start_time),
      service_(std::make_unique<Service>(*this)) {}

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
  out.set_instance(instance_);
  *out.mutable_start_time() = ToProto(start_time_);
  for (const OwnListener& one : OwnListeners()) {
    common::v1::ProcessListener& listener = *out.add_listeners();
    listener.set_protocol(one.udp ? "udp" : "tcp");
    listener.set_address(one.ip);
    listener.set_first_port(one.first_port);
    listener.set_last_port(one.last_port);
  }
  const absl::MutexLock lock(&mutex_);
  for (const SettingDifference& one : waiting_) {
    common::v1::WaitingSetting& setting = *out.add_waiting_settings();
    setting.set_field(one.field);
    setting.set_active_value(one.before);
    setting.set_configured_value(one.after);
  }
  out.set_refused_configuration(refused_);
  if (change_time_ != absl::InfinitePast()) {
    *out.mutable_configuration_time() = ToProto(change_time_);
  }
  return out;
}

}  // namespace sallyport
