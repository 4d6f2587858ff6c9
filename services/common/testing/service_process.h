// One service as a process, as its operator runs it.

#ifndef SALLYPORT_SERVICES_COMMON_TESTING_SERVICE_PROCESS_H_
#define SALLYPORT_SERVICES_COMMON_TESTING_SERVICE_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/common/testing/mtls_pki.h"

namespace sallyport {

// Runs `program` with a configuration file, waits until its ready file tells
// its ports, and ends it. Any step that takes longer than 20 s ends the test
// process with the service's log. Thread-compatible.
class ServiceProcess {
 public:
  // `program` as in the runfiles ("services/capf/capf"). Files go to `folder`,
  // which is made if absent.
  ServiceProcess(std::string program, std::string folder);
  // SIGKILL if it still runs.
  ~ServiceProcess();
  ServiceProcess(const ServiceProcess&) = delete;
  ServiceProcess& operator=(const ServiceProcess&) = delete;

  // The `server` part of a configuration: loopback, free ports, the files of
  // `tls`, the ready file of this object; `extra` is appended to it, such as
  // `,"drain_timeout":"1s"`.
  std::string ServerJson(const PemFiles& tls, std::string_view trust_domain,
                         std::string_view extra = "") const;
  void WriteConfig(std::string_view json) const;

  // From the next start on: `command`, found in PATH, with its arguments runs
  // the program, such as one that takes capabilities away from it first, and
  // becomes it.
  void RunUnder(std::vector<std::string> command) {
    under_ = std::move(command);
  }

  // Starts it and waits until it is ready.
  void Start();
  // Starts it and waits until it says that it waits for something: its ports
  // are known then, and it is not ready.
  void StartWaiting();
  void WaitUntilReady();
  // The answer of its HTTP port, with the head; empty if there is none.
  std::string HttpGet(const std::string& path) const;
  // Its port of the ready file; 0 when there is none of that name.
  int port(const std::string& name) const;
  std::string grpc_target() const;

  // SIGKILL, and gone when this returns.
  void Kill();
  // SIGTERM; the exit code, or minus the signal.
  int Terminate();
  void Signal(int signal) const;

  // All that it wrote to standard error since Start(): what it has logged may
  // be a moment behind.
  std::string Log() const;
  // Waits until Log() has `text`.
  void WaitForLog(std::string_view text) const;

  const std::string& folder() const { return folder_; }

  // Of the process that runs; 0: none.
  pid_t pid() const { return pid_; }

 private:
  void Spawn();
  int WaitForEnd();

  const std::string program_;
  const std::string folder_;
  const std::string ready_file_;
  std::vector<std::string> under_;
  pid_t pid_ = 0;
  std::map<std::string, int> ports_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TESTING_SERVICE_PROCESS_H_
