// What is used of MPI, without its macros, which Swift cannot see.
#pragma once
#include <mpi.h>

/// Calls come from one thread at a time.
static inline int cmpi_init(void) {
  int provided = MPI_THREAD_SINGLE;
  const int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  return error != MPI_SUCCESS ? error : provided < MPI_THREAD_SERIALIZED ? MPI_ERR_OTHER : MPI_SUCCESS;
}

static inline int cmpi_rank(void) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

static inline int cmpi_size(void) {
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/// The rank's number among those that share memory with it, as `MPI_Comm_split_type` groups them.
static inline int cmpi_host_leader(void) {
  MPI_Comm host;
  int leader = cmpi_rank();
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, leader, MPI_INFO_NULL, &host);
  MPI_Bcast(&leader, 1, MPI_INT, 0, host);
  MPI_Comm_free(&host);
  return leader;
}

static inline void cmpi_send(const void *bytes, int count, int peer, int tag, MPI_Request *request) {
  MPI_Isend(bytes, count, MPI_BYTE, peer, tag, MPI_COMM_WORLD, request);
}

static inline void cmpi_receive(void *bytes, int count, int peer, int tag, MPI_Request *request) {
  MPI_Irecv(bytes, count, MPI_BYTE, peer, tag, MPI_COMM_WORLD, request);
}

/// Lets messages under way move on: MPI sends and receives only while one of its calls runs.
static inline void cmpi_progress(void) {
  int found = 0;
  MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE);
}

static inline void cmpi_wait(int count, MPI_Request *requests) { MPI_Waitall(count, requests, MPI_STATUSES_IGNORE); }

static inline void cmpi_barrier(void) { MPI_Barrier(MPI_COMM_WORLD); }

static inline void cmpi_finalize(void) { MPI_Finalize(); }

static inline void cmpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }
