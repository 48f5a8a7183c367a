package io.idempotencykey.spring.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.post;

import io.idempotencykey.spring.boot.InMemoryIdempotency;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.http.MediaType;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.mock.web.MockHttpServletResponse;
import org.springframework.test.context.TestPropertySource;
import org.springframework.test.web.servlet.MockMvc;
import org.springframework.test.web.servlet.setup.MockMvcBuilders;
import org.springframework.web.context.WebApplicationContext;

/** A test as an application has it. */
@TestPropertySource(
        properties = {
            "spring.datasource.url=jdbc:h2:mem:documented;DB_CLOSE_DELAY=-1;INIT=create table if not exists"
                    + " placed_order(id bigint primary key\\, item varchar(100))"
        })
@SpringBootTest
@InMemoryIdempotency
class OrderTest {
    private final MockMvc http;
    private final JdbcClient database;

    @Autowired
    OrderTest(WebApplicationContext application, JdbcClient database) {
        this.http = MockMvcBuilders.webAppContextSetup(application).build();
        this.database = database;
    }

    private MockHttpServletResponse answer(String path, String key, String json) throws Exception {
        return http.perform(post(path)
                        .header("Idempotency-Key", key)
                        .header("X-Tenant", "tenant")
                        .contentType(MediaType.APPLICATION_JSON)
                        .content(json))
                .andReturn()
                .getResponse();
    }

    @Test
    void aRetriedOrderIsPlacedOnce() throws Exception {
        String order = "{\"item\": \"tea\", \"quantity\": 2}";

        MockHttpServletResponse first = answer("/orders", "\"order-1\"", order);
        MockHttpServletResponse retry = answer("/orders", "\"order-1\"", order);

        assertThat(first.getStatus()).isEqualTo(201);
        assertThat(retry.getStatus()).isEqualTo(201);
        assertThat(retry.getContentAsString()).isEqualTo(first.getContentAsString());
        assertThat(retry.getHeader("Idempotency-Replayed")).isEqualTo("true");
        assertThat(database.sql("select count(*) from placed_order where item = 'tea'")
                        .query(Long.class)
                        .single())
                .isEqualTo(1);
    }

    @Test
    void aCartIsCompletedOnce() throws Exception {
        MockHttpServletResponse first = answer("/carts/42/complete", "\"cart-42\"", "{\"amount\": 5}");
        MockHttpServletResponse retry = answer("/carts/42/complete", "\"cart-42\"", "{\"amount\": 5}");

        assertThat(first.getStatus()).isEqualTo(201);
        assertThat(retry.getContentAsString()).isEqualTo("cart 42 is ordered");
        assertThat(retry.getHeader("Idempotency-Replayed")).isEqualTo("true");
    }
}
