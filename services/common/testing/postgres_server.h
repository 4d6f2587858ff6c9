// A PostgreSQL server of the test's own.

#ifndef SALLYPORT_SERVICES_COMMON_TESTING_POSTGRES_SERVER_H_
#define SALLYPORT_SERVICES_COMMON_TESTING_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"
#include "services/common/sql/postgres_options.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport {

// The packaged server with an empty database `sallyport`, owned by the user
// `sallyport`, in a folder of its own that is removed with it. It listens on a
// Unix socket there, without password, and on 127.0.0.1 with the password
// `open sesame`. Run by root, which PostgreSQL refuses to be, it runs as the
// user postgres or nobody, or where there is no other user, in a sandbox, in a
// user namespace of its own. What fails ends the test process with the server's
// log. Thread-compatible.
class PostgresServer {
 public:
  // Makes it and starts it.
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // By the Unix socket; `timeout` as of PostgresOptions.
  PostgresOptions options(absl::Duration timeout = absl::Seconds(5)) const;
  std::string connection() const;
  // By TCP, which asks for the password.
  std::string tcp_connection() const;
  static constexpr char kPassword[] = "open sesame";

  // `setting` ("fsync = off") holds from the next start on.
  void Configure(const std::string& setting) const;
  // From the next start on it takes TLS by TCP, with copies of these files.
  void UseTls(const PemFiles& files) const;
  // Runs SQL as the superuser, by psql; its output without the last newline.
  std::string Sql(const std::string& text) const;

  void Start();
  // SIGINT: open transactions are rolled back, connections closed.
  void Stop();
  // SIGKILL to the server and each of its processes.
  void Kill();
  // It keeps its connections and says nothing, until it is resumed.
  void Suspend() const;
  void Resume() const;

 private:
  pid_t Spawn(const std::string& command, int out) const;
  std::string Run(const std::string& command) const;
  void Signal(int signal) const;
  [[noreturn]] void Fail(const std::string& what) const;

  std::string folder_;
  bool other_user_ = false;  // runs as one, who owns the folder
  int port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TESTING_POSTGRES_SERVER_H_
