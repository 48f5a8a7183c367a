package io.idempotencykey.jpa;

import jakarta.persistence.Column;
import jakarta.persistence.Convert;
import jakarta.persistence.Entity;
import jakarta.persistence.IdClass;
import jakarta.persistence.Table;
import java.time.Instant;
import java.util.UUID;
import org.hibernate.annotations.Immutable;
import org.hibernate.annotations.JavaType;
import org.jspecify.annotations.Nullable;

/**
 * A mapping of the table in which {@link JpaKeyStore} keeps its keys, for applications that query keys as entities; the
 * store doesn't need it.
 *
 * <p>Immutable: queries can read it, and nothing is ever written through it. Where it is one of the persistence unit's
 * classes, the names of the table and its schema come from it, so {@code orm.xml}, {@code hibernate.default_schema} or
 * a naming strategy change them. The columns' names must stay; a store over another mapping is refused.
 */
@Entity
@Table(name = "idempotency_key")
@IdClass(IdempotencyKeyEntity.Id.class)
@Immutable
public class IdempotencyKeyEntity {
    /**
     * The primary key.
     *
     * @param scope the key's scope
     * @param keyValue the key's value
     */
    public record Id(String scope, String keyValue) {}

    @jakarta.persistence.Id
    @Column(name = "scope", length = 255, nullable = false)
    private @Nullable String scope;

    @jakarta.persistence.Id
    @Column(name = "key_value", length = 255, nullable = false)
    private @Nullable String keyValue;

    @Column(name = "creation_id", nullable = false)
    @JavaType(RandomUuidJavaType.class)
    private @Nullable UUID creationId;

    @Column(name = "operation", length = 100, nullable = false)
    private @Nullable String operation;

    @Column(name = "request_method", length = 32, nullable = false)
    private @Nullable String requestMethod;

    @Column(name = "request_path", length = 2048, nullable = false)
    private @Nullable String requestPath;

    @Column(name = "request_parameters", nullable = false)
    @JavaType(JsonTextJavaType.class)
    private @Nullable String requestParameters;

    @Column(name = "request_complete", nullable = false)
    @Convert(disableConversion = true)
    private boolean requestComplete;

    @Column(name = "fingerprint", length = 128, nullable = false)
    private @Nullable String fingerprint;

    @Column(name = "created_at", nullable = false)
    @Convert(disableConversion = true)
    private @Nullable Instant createdAt;

    @Column(name = "updated_at", nullable = false)
    @Convert(disableConversion = true)
    private @Nullable Instant updatedAt;

    @Column(name = "attempts", nullable = false)
    private long attempts;

    @Column(name = "failed_attempts", nullable = false)
    private int failedAttempts;

    @Column(name = "last_error", length = 1000, nullable = false)
    private @Nullable String lastError;

    @Column(name = "state", length = 11, nullable = false)
    private @Nullable String state;

    @Column(name = "recovery_point", length = 100, nullable = false)
    private @Nullable String recoveryPoint;

    @Column(name = "locked_at")
    @Convert(disableConversion = true)
    private @Nullable Instant lockedAt;

    @Column(name = "due_at")
    @Convert(disableConversion = true)
    private @Nullable Instant dueAt;

    @Column(name = "finished_at")
    @Convert(disableConversion = true)
    private @Nullable Instant finishedAt;

    @Column(name = "response_status")
    private @Nullable Integer responseStatus;

    @Column(name = "response_headers")
    @JavaType(JsonTextJavaType.class)
    private @Nullable String responseHeaders;

    @Column(name = "response_body", length = 16777216)
    private byte @Nullable [] responseBody;

    @Column(name = "quarantined_at")
    @Convert(disableConversion = true)
    private @Nullable Instant quarantinedAt;

    @Column(name = "quarantine_reason", length = 1000)
    private @Nullable String quarantineReason;

    @Column(name = "revision", nullable = false)
    @JavaType(RandomUuidJavaType.class)
    private @Nullable UUID revision;

    /** For the persistence provider. */
    protected IdempotencyKeyEntity() {}
}
